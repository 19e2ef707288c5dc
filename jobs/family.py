"""Jobs that are made of others: a parent asks for its children, waits without a worker until they have ended, and sums up."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, QuerySet

from jobs.models import ACTIVE, Job
from jobs.registry import Fate
from jobs.work import Wait

if TYPE_CHECKING:
    from jobs.work import Work

_LONGEST = timedelta(days=30)


def children(work: Work) -> QuerySet[Job]:
    return Job.objects.filter(parent=work.job)


def tally(parent: Job) -> Counter[str]:
    """How many children are in which state."""
    return Counter(dict(Job.objects.filter(parent=parent).order_by().values_list("state").annotate(Count("pk"))))


def wait(work: Work) -> Counter[str]:
    """Give the worker back until all children have ended; then how they did."""
    states = tally(work.job)
    left = sum(states[state] for state in ACTIVE)
    if left:
        ended = states.total() - left
        words = "Stopping what still runs" if work.cancelled() else f"{ended} of {states.total()} done"
        raise Wait(words, _LONGEST)
    return states


def settled(work: Work) -> Fate:
    """A parent whose worker died: its children live on, and it goes on waiting for them."""
    return Fate.STILL_RUNNING if children(work).exists() else Fate.NOT_DONE
