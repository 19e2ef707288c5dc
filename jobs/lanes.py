"""Lanes: what jobs have to share, such as a host's link. So many at a time pass; the others stay queued until one has ended.

A job that has to wait holds no worker and nobody asks for it again and again: the end of one that passes wakes the next
(`wake`), the sweep finds what was missed (`next_in_line`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from jobs.models import Job, Lane, State

# Younger ones for which there is room may pass one that waits for another lane; but not for ever.
PATIENCE = timedelta(minutes=10)
_LOOKED_THROUGH = 200
_room: dict[str, Callable[[], int]] = {}


def limit(kind: str, at_once: Callable[[], int]) -> None:
    """How many jobs pass lanes of a kind ("moves:3" is of the kind "moves") at once; an app says so in AppConfig.ready()."""
    _room[kind] = at_once


def put(job: Job, names: Iterable[str]) -> None:
    """The job, just saved, has to pass these lanes; inside the caller's transaction."""
    names = sorted(set(names))
    if names:
        Lane.objects.bulk_create([Lane(name=name) for name in names], ignore_conflicts=True)
        job.lanes.set(Lane.objects.filter(name__in=names))


def hindrance(job: Job) -> str:
    """Why the queued job can't begin now, "" when it can.

    Inside a transaction in which the job is made running at once: the lanes stay locked until then, so that two workers
    don't both see the last free place.
    """
    mine = list(Lane.objects.select_for_update().filter(jobs=job).order_by("name"))
    if not mine:
        return ""
    free = _free([lane.name for lane in mine])
    full = [name for name, places in free.items() if places < 1]
    if full:
        return f"Waits for its turn: {_many(_room_of(full[0]))} at a time"
    if _overtakes(job, mine):
        return "Waits for its turn: others came before"
    return ""


def wake(job: Job, enqueue: Callable[[Job], None]) -> None:
    """A job ended: whoever waits for one of its lanes and fits now is handed to a worker, after the commit."""
    names = list(job.lanes.values_list("name", flat=True))
    if not names:
        return

    def pass_on() -> None:
        for each in next_in_line(Job.objects.filter(lanes__name__in=names)):
            enqueue(each)

    transaction.on_commit(pass_on)


def next_in_line(among: QuerySet[Job] | None = None) -> list[Job]:
    """The jobs held back that fit now, oldest first, each counted before the next is looked at."""
    waiting = (Job.objects.all() if among is None else among).filter(state=State.QUEUED, held_back=True)
    jobs = list(waiting.distinct().order_by("id").prefetch_related("lanes")[:_LOOKED_THROUGH])
    free = _free({lane.name for job in jobs for lane in job.lanes.all()})
    fit, blocked = [], set[str]()
    for job in jobs:
        names = [lane.name for lane in job.lanes.all()]
        if blocked.isdisjoint(names) and all(free[name] > 0 for name in names):
            fit.append(job)
            for name in names:
                free[name] -= 1
        elif _has_waited_long(job):
            blocked.update(names)
    return fit


def _overtakes(job: Job, mine: Sequence[Lane]) -> bool:
    """Whether an older one waits in one of these lanes that could begin as well, or that was passed for too long."""
    older = Job.objects.filter(state=State.QUEUED, held_back=True, lanes__in=mine, pk__lt=job.pk)
    if not older.exists():
        return False
    if older.filter(created_at__lt=timezone.now() - PATIENCE).exists():
        return True
    here = {lane.name for lane in mine}
    ahead = [each for each in next_in_line(older) if each.pk < job.pk]
    free = _free(here)
    taken = [lane.name for each in ahead for lane in each.lanes.all() if lane.name in here]
    return any(free[name] - taken.count(name) < 1 for name in here)


def _has_waited_long(job: Job) -> bool:
    return job.created_at < timezone.now() - PATIENCE


def _free(names: Iterable[str]) -> dict[str, int]:
    """Free places by lane."""
    names = list(names)
    running = Lane.objects.filter(name__in=names).annotate(n=Count("jobs", filter=Q(jobs__state=State.RUNNING)))
    used = dict(running.values_list("name", "n"))
    return {name: _room_of(name) - used.get(name, 0) for name in names}


def _room_of(name: str) -> int:
    at_once = _room.get(name.partition(":")[0])
    return max(1, at_once()) if at_once else 1


def _many(n: int) -> str:
    return "one" if n == 1 else str(n)
