"""Asking for a job, and asking it to stop: all that the web process does with jobs."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Any

from celery import current_app
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.models import User
from jobs import kinds, lanes, parents
from jobs.models import ACTIVE, HELD_BY_NOBODY, WAITING, Job, State
from live import facts

logger = logging.getLogger(__name__)

QUICK_LIMIT_SECONDS = 120  # the worker process is ended then: a soft limit cannot interrupt a C call
MOST_ACTIVE_OF_A_PERSON = 20_000
_MOST_NAMES = 200  # in one entry of the audit log


class Urgency(IntEnum):
    """Which of Redis' lists a message goes to; the smallest is read first. The sweep's own are 0."""

    LOOK = 3  # a job that waits looks again
    RUN = 6


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
    kind_name: str,
    subject: Subject,
    *,
    asked_by: User | None,
    params: dict[str, Any] | None = None,
    batch: str = "",
    parent: Job | None = None,
    through: Sequence[str] = (),
) -> Job:
    """Save the row and enqueue it once committed; raises Refused when another changing job holds the subject.

    `parent`: the job that it is a part of. `through`: lanes that it has to pass (jobs/lanes.py).
    """
    _refuse_too_many(asked_by, 1)
    job = _new(kind_name, subject, asked_by, params or {}, batch)
    job.parent = parent
    try:
        with transaction.atomic():
            job.save(force_insert=True)
            lanes.put(job, through)
            audit.record(job.kind, job.subject_name, actor=asked_by, result="asked", detail={"job": job.pk})
    except IntegrityError as exc:
        audit.record(job.kind, job.subject_name, actor=asked_by, result="refused")
        raise Refused(_who_is_at_it(subject)) from exc
    announce(job, "queued")
    transaction.on_commit(lambda: enqueue(job))
    return job


def submit_many(kind_name: str, subjects: Sequence[Subject], *, asked_by: User | None, batch: str, params: dict[str, Any] | None = None) -> dict[int, Job]:
    """Save many jobs of one kind at once; {subject id: job}, without the subjects that another changing job holds.

    One insert, one message to the broker and a fact a host for all of them: ten thousand take a second, not half a minute.
    """
    _refuse_too_many(asked_by, len(subjects))
    with transaction.atomic():
        Job.objects.bulk_create([_new(kind_name, subject, asked_by, params or {}, batch) for subject in subjects], ignore_conflicts=True, batch_size=500)
        made = {job.subject_id: job for job in Job.objects.filter(batch=batch)}
        if made:
            names = [job.subject_name for job in made.values()]
            audit.record(kind_name, f"{len(made)} at once", actor=asked_by, result="asked", detail={"batch": batch, "names": names[:_MOST_NAMES]})
            _announce_many(made.values())
            transaction.on_commit(lambda: send("jobs.enqueue_batch", batch, queue="quick", priority=Urgency.LOOK))
    return made


def enqueue(job: Job, urgency: Urgency = Urgency.RUN) -> None:
    """Hand the job to the broker; when that is away the sweep does it later."""
    kind = kinds.known(job.kind)
    limit = QUICK_LIMIT_SECONDS if kind.quick else None
    send("jobs.run", job.pk, queue=kind.queue, time_limit=limit, priority=urgency)


def send(task: str, which: int | str, **options: Any) -> None:
    """A message about a job or a batch of them; without the broker it is only logged."""
    try:
        current_app.send_task(task, args=[which], retry=False, **options)
    except Exception as exc:
        logger.warning("%s %s waits for the broker: %s", task, which, exc)


def cancel(job: Job, by: str) -> bool:
    """Ask the job to stop; returns whether there was something to stop.

    Queued, or only waiting for the host: it ends at once. Held by a worker, or waiting for something that can be
    stopped on the host: a worker stops it. Its worker died and the host can't be asked: it is given up, and says so.
    """
    stopped = _end_idle(job, by) or _give_up(job, by) or _ask_to_stop(job, by)
    if stopped:
        audit.record("jobs.cancel", f"{job.title} {job.subject_name}", detail={"job": job.pk})
        for child in Job.objects.filter(parent=job, state__in=ACTIVE).order_by("-id"):  # the last in the queue first
            cancel(child, by)
    return stopped


def active_for(subject_type: str, subject_id: int) -> Job | None:
    """The changing job that holds the subject, if any."""
    return Job.objects.filter(subject_type=subject_type, subject_id=subject_id, changing=True, state__in=ACTIVE).first()


def wake_waiting(subject_type: str, subject_ids: list[int]) -> None:
    """The subjects changed: jobs that wait for just that look again now instead of at the next sweep."""
    waiting = Job.objects.filter(WAITING, subject_type=subject_type, subject_id__in=subject_ids)
    for job in waiting:
        transaction.on_commit(lambda job=job: enqueue(job, Urgency.LOOK))  # type: ignore[misc]


def announce(job: Job, what: str) -> None:
    facts.publish(job.topics, f"job {what}", **job.rights_key)


def ended(job: Job, state: State, error: str = "") -> None:
    """All that follows from a job's end: the audit log, open pages, its parent, and who waited for its lanes."""
    record_end(job, state, error)
    announce(job, state.value)
    lanes.wake(job, enqueue)
    if job.parent_id:
        parents.keep_progress(job)
        wake_parent(job.parent_id)


def wake_parent(parent_id: int) -> None:
    """A child ended: its parent, if it waits, looks again."""
    parent = Job.objects.filter(WAITING, pk=parent_id).first()
    if parent:
        announce(parent, "progress")
        transaction.on_commit(lambda: enqueue(parent, Urgency.LOOK))


def _announce_many(jobs: Iterable[Job]) -> None:
    """One fact a host, for those who may see one of its machines that are meant."""
    hosts: defaultdict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        hosts[job.host_id].append(job)
    for host_id, theirs in hosts.items():
        topics = dict.fromkeys(topic for job in theirs for topic in job.topics if not topic.startswith("job:"))
        machine_ids = [job.subject_id for job in theirs if job.subject_type == "machine"]
        facts.publish(topics, "jobs queued", host_id=host_id, machine_ids=machine_ids)


def record_end(job: Job, state: State, error: str = "") -> None:
    """The audit log says how it ended: "asked" alone would look like "done"."""
    audit.record(job.kind, job.subject_name, actor=job.asked_by, result=state.value, detail={"job": job.pk, **({"error": error[:300]} if error else {})})


# ── the steps of cancelling ──


def _end_idle(job: Job, by: str) -> bool:
    """No worker holds it, and nothing of it needs to be stopped on the host."""
    idle = Job.objects.filter(pk=job.pk, state=State.QUEUED)
    if not kinds.known(job.kind).cancellable:
        idle = Job.objects.filter(pk=job.pk).filter(WAITING | Q(state=State.QUEUED))
    if not idle.update(state=State.CANCELLED, finished_at=timezone.now(), cancel_asked_by=by, phase="", wait_until=None, held_back=False):
        return False
    if job.started_at:
        job.lines.create(text=f"{by} cancelled it. What was asked of the host already is not taken back.")
    ended(job, State.CANCELLED)
    return True


def _give_up(job: Job, by: str) -> bool:
    words = f"Its worker died, and {by} did not wait until the host could say what became of it."
    orphan = Job.objects.filter(HELD_BY_NOBODY, pk=job.pk)
    if not orphan.update(state=State.INTERRUPTED, finished_at=timezone.now(), cancel_asked_by=by, phase="", error=words):
        return False
    ended(job, State.INTERRUPTED, words)
    return True


def _ask_to_stop(job: Job, by: str) -> bool:
    asked = Job.objects.filter(pk=job.pk, state=State.RUNNING, cancel_asked_by="").update(cancel_asked_by=by)
    if not asked:
        return False
    announce(job, "cancelling")
    if Job.objects.filter(WAITING, pk=job.pk).exists():
        transaction.on_commit(lambda: enqueue(job, Urgency.LOOK))
    return True


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


def _refuse_too_many(person: User | None, more: int) -> None:
    if person and Job.objects.filter(asked_by=person, state__in=ACTIVE).count() + more > MOST_ACTIVE_OF_A_PERSON:
        raise Refused(f"{MOST_ACTIVE_OF_A_PERSON} jobs of yours are not finished. Wait for them, or cancel some.")


def _who_is_at_it(subject: Subject) -> str:
    other = active_for(subject.type, subject.id)
    if other is None:  # it ended just now
        return f"Another operation on {subject.name} was just ending. Try again."
    who = other.asked_by_name or "WebVirt"
    since = max(timezone.now() - (other.started_at or other.created_at), timedelta(0))
    return f"{who} is at it: {other.title.lower()} of {subject.name} {other.get_state_display().lower()} for {int(since.total_seconds())} s."
