"""Looks for what was on its way to a host and will not come, and is still there: its host was away when its job ended."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from hosts.models import State as HostState
from hosts.storage.transfers.models import Incoming
from jobs import submit as jobs
from jobs.models import ACTIVE
from jobs.submit import Refused

logger = logging.getLogger(__name__)

_AT_ONCE = 50
_SETTLED = timedelta(seconds=30)  # a job that was cancelled just now is not yet cleaned up after by its own worker
_KEPT = timedelta(days=90)


def tidy() -> None:
    ended = Incoming.objects.filter(ended_at=None, created_at__lt=timezone.now() - _SETTLED).exclude(job__state__in=ACTIVE)
    ended.filter(made="").update(ended_at=timezone.now())
    for incoming in ended.exclude(made="").filter(place__pool__host__state=HostState.ONLINE).select_related("place__pool__host")[:_AT_ONCE]:
        try:
            jobs.submit("hosts.storage.transfers.clean_up", incoming.place.subject, asked_by=None, params={"incoming": str(incoming.pk)})
        except Refused as exc:  # somebody is at it
            logger.info("what %s left is looked at later: %s", incoming, exc)
    Incoming.objects.filter(ended_at__lt=timezone.now() - _KEPT).delete()
