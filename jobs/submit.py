"""Asking for a job, and asking it to stop: all that the web process does with jobs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import current_app
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from jobs import kinds
from jobs.models import ACTIVE, Job, State
from live import facts

logger = logging.getLogger(__name__)

QUICK_LIMIT_SECONDS = 120  # the worker process is ended then: a soft limit cannot interrupt a C call


class Refused(Exception):
    """The job was not accepted; the text says why, for the person who asked."""


@dataclass(frozen=True)
class Subject:
    """What a job is about, without `jobs` knowing machines or hosts."""

    type: str
    id: int
    name: str
    host_id: int
    host_name: str = ""


def submit(
    kind_name: str, subject: Subject, *, asked_by: User | None, params: dict[str, Any] | None = None, batch: str = ""
) -> Job:
    """Save the row and enqueue it once committed; raises Refused when another changing job holds the subject."""
    job = _new(kind_name, subject, asked_by, params or {}, batch)
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError as exc:
        raise Refused(_who_is_at_it(subject)) from exc
    announce(job, "queued")
    transaction.on_commit(lambda: enqueue(job))
    return job


def submit_many(kind_name: str, subjects: Sequence[Subject], *, asked_by: User | None, batch: str) -> dict[int, Job]:
    """Save many jobs of one kind at once; {subject id: job}, without the subjects that another changing job holds.

    One insert, one fact and one message for all of them: ten thousand take a second, not half a minute.
    """
    with transaction.atomic():
        Job.objects.bulk_create([_new(kind_name, subject, asked_by, {}, batch) for subject in subjects], ignore_conflicts=True, batch_size=500)
        made = {job.subject_id: job for job in Job.objects.filter(batch=batch)}
        if made:
            topics = dict.fromkeys(topic for job in made.values() for topic in job.topics if not topic.startswith("job:"))
            facts.publish(topics, "jobs queued")
            transaction.on_commit(lambda: enqueue_batch(batch))
    return made


def enqueue_batch(batch: str) -> None:
    """Have a worker hand the batch's jobs to the broker one by one."""
    try:
        current_app.send_task("jobs.enqueue_batch", args=[batch], queue="quick", retry=False)
    except Exception as exc:
        logger.warning("batch %s waits for the broker: %s", batch, exc)


def enqueue(job: Job) -> None:
    """Hand the job to the broker; when that is away the sweep does it later."""
    try:
        kind = kinds.get(job.kind)
        limit = QUICK_LIMIT_SECONDS if kind.quick else None
        current_app.send_task("jobs.run", args=[job.pk], queue=kind.queue, time_limit=limit, retry=False)
    except Exception as exc:
        logger.warning("job %s waits for the broker: %s", job.pk, exc)


def cancel(job: Job, by: str) -> bool:
    """Ask the job to stop. One that no worker holds ends at once; returns whether there was something to stop."""
    now = timezone.now()
    idle = Job.objects.filter(pk=job.pk).filter(_no_worker_holds_it())
    if idle.update(state=State.CANCELLED, finished_at=now, cancel_asked_by=by, phase="", wait_until=None):
        announce(job, "cancelled")
        return True
    asked = Job.objects.filter(pk=job.pk, state=State.RUNNING, cancel_asked_by="").update(cancel_asked_by=by)
    if asked:
        announce(job, "cancelling")
    return bool(asked)


def active_for(subject_type: str, subject_id: int) -> Job | None:
    """The changing job that holds the subject, if any."""
    return Job.objects.filter(
        subject_type=subject_type, subject_id=subject_id, changing=True, state__in=ACTIVE
    ).first()


def wake_waiting(subject_type: str, subject_ids: list[int]) -> None:
    """The subjects changed: jobs that wait for just that look again now instead of at the next sweep."""
    waiting = Job.objects.filter(
        subject_type=subject_type, subject_id__in=subject_ids, state=State.RUNNING, wait_until__isnull=False
    )
    for job in waiting:
        transaction.on_commit(lambda job=job: enqueue(job))  # type: ignore[misc]


def announce(job: Job, what: str) -> None:
    facts.publish(job.topics, f"job {what}", **job.rights_key)


def _new(kind_name: str, subject: Subject, asked_by: User | None, params: dict[str, Any], batch: str) -> Job:
    kind = kinds.get(kind_name)
    return Job(
        kind=kind.name,
        subject_type=subject.type,
        subject_id=subject.id,
        subject_name=subject.name,
        host_id=subject.host_id,
        host_name=subject.host_name,
        params=params,
        changing=kind.changing,
        batch=batch,
        asked_by=asked_by,
        asked_by_name=asked_by.username if asked_by else "",
    )


def _no_worker_holds_it() -> Any:
    from django.db.models import Q

    return Q(state=State.QUEUED) | Q(state=State.RUNNING, wait_until__isnull=False)


def _who_is_at_it(subject: Subject) -> str:
    other = active_for(subject.type, subject.id)
    if other is None:  # it ended just now
        return f"Another operation on {subject.name} was just ending. Try again."
    who = other.asked_by_name or "WebVirt"
    since = max(timezone.now() - (other.started_at or other.created_at), timedelta(0))
    return f"{who} is at it: {other.title.lower()} of {subject.name} {other.get_state_display().lower()} for {int(since.total_seconds())} s."
