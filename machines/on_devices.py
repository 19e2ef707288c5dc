"""What devices machines are given, for the devices page's *used by* (hosts/devices/users.py): devices stand below and may not look up here."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.db.models import OuterRef, Q, Subquery
from django.urls import reverse

from hosts.devices.users import Use
from machines.models import ACTIVE_STATES, Definition
from virt.errors import Invalid
from virt.xml.read.hostdev import Hostdev, read_hostdevs

logger = logging.getLogger(__name__)


def uses(host_id: int) -> Iterator[Use]:
    """Each device of each machine on that host, as it is stored and as it runs; only definitions that name one are read."""
    newest = Definition.objects.filter(machine=OuterRef("machine")).order_by("-id").values("pk")[:1]
    names_one = Q(xml__contains="hostdev") | Q(machine__live_definition__xml__contains="hostdev")
    stored = Definition.objects.filter(names_one, machine__host_id=host_id, machine__gone_at=None, pk=Subquery(newest))
    columns = ("machine_id", "machine__name", "machine__state", "xml", "machine__live_definition__xml")
    for pk, name, state, *documents in stored.order_by("machine__name").values_list(*columns):
        url, active = reverse("machines:machine", args=[pk]), state in ACTIVE_STATES
        for given in {given for xml in documents if xml for given in _given(xml)}:
            yield Use(given.kind, given.address, given.ids, name, url, active)


def _given(xml: str) -> tuple[Hostdev, ...]:
    try:
        return read_hostdevs(xml)
    except Invalid as exc:
        logger.warning("a stored definition can't be read: %s", exc)
        return ()
