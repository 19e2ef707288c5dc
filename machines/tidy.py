"""What the watcher wrote, kept within bounds: samples rolled up, long histories cut, machines that vanished forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import Count, Model
from django.utils import timezone

from accounts.models import Grant
from accounts.roles import Scope
from hosts import log
from hosts.models import HostSample
from live import rollup
from machines.models import Definition, Event, Machine, MachineSample

GONE_KEPT = timedelta(days=30)
EVENTS_KEPT = 1_000
DEFINITIONS_KEPT = 100
_LOCK, _LOCK_SECONDS = "machines:tidy", 800
_AT_ONCE = 20  # machines a transaction: their histories and samples go with them


def tidy() -> None:
    """One at a time: two would roll the same samples up twice."""
    if not cache.add(_LOCK, 1, timeout=_LOCK_SECONDS):
        return
    try:
        now = timezone.now()
        forget_gone(now)
        rollup.tidy(MachineSample, "machine", now)
        rollup.tidy(HostSample, "host", now)
        cut(Event, EVENTS_KEPT)
        cut(Definition, DEFINITIONS_KEPT)
        log.tidy()
    finally:
        cache.delete(_LOCK)


def forget_gone(now: datetime) -> None:
    """Remove machines that their host has not had for a month, with their history and the grants on them."""
    old = list(Machine.objects.filter(gone_at__lt=now - GONE_KEPT).values_list("pk", flat=True))
    for start in range(0, len(old), _AT_ONCE):
        some = old[start : start + _AT_ONCE]
        # Again with the time: one may just have come back.
        _count, removed = Machine.objects.filter(pk__in=some, gone_at__lt=now - GONE_KEPT).delete()
        if removed:
            left = Machine.objects.filter(pk__in=some).values("pk")
            Grant.objects.filter(scope=Scope.MACHINE, object_id__in=some).exclude(object_id__in=left).delete()


def cut(model: type[Model], most: int) -> None:
    """Keep the newest `most` rows of each machine: a guest that reboots for ever writes for ever."""
    rows = model._default_manager
    long = rows.order_by().values("machine_id").annotate(n=Count("pk")).filter(n__gt=most).values_list("machine_id", flat=True)
    for machine_id in list(long):
        first_kept = rows.filter(machine_id=machine_id).order_by("-pk").values_list("pk", flat=True)[most - 1]
        rows.filter(machine_id=machine_id, pk__lt=first_kept).delete()
