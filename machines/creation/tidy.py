"""Looks for what was made for a machine that will not be, and is still on a host: its host was away when its job ended."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from hosts.models import State as HostState
from jobs import submit as jobs
from jobs.models import ACTIVE, Job
from jobs.submit import Refused
from machines.creation.models import Creation

logger = logging.getLogger(__name__)

_MAKING = ("machines.creation.create", "machines.creation.clone", "machines.creation.clean_up")
_AT_ONCE = 50
_KEPT = timedelta(days=90)


def tidy() -> None:
    left = Creation.objects.exclude(made=[]).filter(done_at=None, host__state=HostState.ONLINE).select_related("host").order_by("pk")
    for creation in left[:_AT_ONCE]:
        if not _is_worked_on(creation):
            try:
                jobs.submit("machines.creation.clean_up", creation.subject, asked_by=None)
            except Refused as exc:
                logger.info("what %s left is looked at later: %s", creation, exc)
    Creation.objects.filter(made=[], created_at__lt=timezone.now() - _KEPT).delete()


def _is_worked_on(creation: Creation) -> bool:
    """By its own job, or by a copy's, which is about the original."""
    active = Job.objects.filter(kind__in=_MAKING, state__in=ACTIVE, host_id=creation.host_id)
    return active.filter(subject_type="creation", subject_id=creation.pk).exists() or active.filter(params__creation=creation.pk).exists()
