"""What machines' cards name, for the networks' pages (hosts/networks/users.py): networks stand below and may not look up here."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.urls import reverse

from hosts.networks.users import Card
from machines.models import ACTIVE_STATES, Machine

_COLUMNS = ("pk", "name", "host_id", "state", "nics", "addresses")


def cards(host_ids: Collection[int]) -> Iterator[Card]:
    """Each card of each machine on those hosts."""
    rows = Machine.objects.filter(host_id__in=host_ids, gone_at=None).order_by("name").values_list(*_COLUMNS)
    for pk, name, host_id, state, nics, addresses in rows.iterator():
        for nic in nics:
            mac = str(nic.get("mac", ""))
            yield Card(
                host_id=host_id,
                kind=str(nic.get("kind", "")),
                source=str(nic.get("source", "")),
                portgroup=str(nic.get("portgroup", "")),
                mac=mac,
                model=str(nic.get("model", "")),
                link_up=bool(nic.get("link_up", True)),
                active=state in ACTIVE_STATES,
                machine_id=pk,
                name=name,
                url=reverse("machines:machine", args=[pk]),
                state=state,
                addresses=tuple(str(each["ip"]) for each in addresses if mac and each.get("mac") == mac and not str(each.get("ip", "")).startswith("fe80")),
            )
