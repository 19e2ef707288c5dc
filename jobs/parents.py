"""How far a parent has come, told by its children (jobs/family.py is the worker's side)."""

from __future__ import annotations

from django.db.models import Avg, Case, F, Q, Value, When
from django.db.models.functions import Coalesce

from jobs.models import ACTIVE, Job, State


def progress(parent_id: int) -> float | None:
    """What the children have done on average, in percent."""
    done = Case(When(~Q(state__in=ACTIVE), then=Value(100.0)), default=Coalesce(F("progress"), Value(0.0)))
    return Job.objects.filter(parent_id=parent_id).aggregate(mean=Avg(done))["mean"]  # type: ignore[no-any-return]


def keep_progress(child: Job) -> None:
    """A child went on: so did its parent."""
    if child.parent_id:
        Job.objects.filter(pk=child.parent_id, state=State.RUNNING).update(progress=progress(child.parent_id))
