"""Jobs that are made of others: a parent asks for its children, waits without a worker until they have ended, and sums up."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count

from jobs.models import ACTIVE, Job
from jobs.registry import Fate
from jobs.work import Wait

if TYPE_CHECKING:
    from jobs.work import Work

_LONGEST = timedelta(days=30)


def tally(parent: Job) -> Counter[str]:
    """How many children are in which state."""
    return Counter(dict(Job.objects.filter(parent=parent).order_by().values_list("state").annotate(Count("pk"))))


def wait(work: Work, *, todo: int = 0, of: int = 0) -> Counter[str]:
    """Give the worker back until all children have ended; then how they did.

    A parent that asks for its children one after another says how many things are still to be done, `of` how many.
    """
    states = tally(work.job)
    left = todo or sum(states[state] for state in ACTIVE)
    if left:
        total = of or states.total()
        words = "Stopping what still runs" if work.cancelled() else f"{total - left} of {total} done"
        raise Wait(words, _LONGEST)
    return states


def settled(work: Work) -> Fate:
    """A parent whose worker died is called again: its children live on, and it goes on from what is there."""
    return Fate.STILL_RUNNING
