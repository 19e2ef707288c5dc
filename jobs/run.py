"""The life of a job in a worker. `run` and `settle` read as the state diagram."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from jobs import registry
from jobs.models import Job, State
from jobs.registry import Fate
from jobs.submit import announce, enqueue
from jobs.work import Cancelled, Wait, Work
from virt.errors import VirtError

logger = logging.getLogger(__name__)

DEAD_AFTER = timedelta(seconds=30)  # six heartbeats
FORGOTTEN_AFTER = timedelta(seconds=20)
_WAITING_LOOK = timedelta(seconds=5)
_SETTLE_PATIENCE = timedelta(minutes=10)


def run(job_id: int) -> None:
    """Claim the job and do it. A second delivery finds nothing to claim and is harmless."""
    job = _claim(job_id)
    if job is None:
        return
    announce(job, "running")
    with Work(job) as work:
        try:
            result = registry.find(job.kind)(work)
        except Wait as wait:
            _give_back(work, wait)
        except Cancelled:
            _end(job, State.CANCELLED)
        except VirtError as exc:
            _end(job, State.FAILED, error=str(exc), detail=exc.detail, retry_helps=exc.retry)
        except Exception:
            logger.exception("job %s (%s) failed unexpectedly", job.pk, job.kind)
            _end(job, State.FAILED, error="WebVirt made a mistake; its log has the details.")
        else:
            _end(job, State.DONE, result=result)


def settle(job_id: int) -> None:
    """A job's worker died: ask the host what is true, and say that. Never runs the operation again."""
    job = _claim_dead(job_id)
    if job is None:
        return
    work = Work(job)
    work.log("The worker died. Asking the host what became of it.")
    try:
        fate = registry.find(job.kind).settle(work)
    except VirtError as exc:
        _settle_later(job, exc)
        return
    if fate == Fate.DONE:
        work.log("The host shows it done.")
        _end(job, State.DONE)
    elif fate == Fate.STILL_RUNNING:
        work.log("It still runs on the host.")
        Job.objects.filter(pk=job.pk, claim=job.claim).update(wait_until=timezone.now() + timedelta(hours=1))
        announce(job, "running")
    else:
        _end(job, State.INTERRUPTED, error="Its worker died before the host had done it. Nothing was repeated.", retry_helps=True)


def sweep() -> None:
    """Find what the broker forgot, what waits, and whose worker died."""
    now = timezone.now()
    forgotten = Job.objects.filter(state=State.QUEUED, enqueued_at__lt=now - FORGOTTEN_AFTER)
    waiting = Job.objects.filter(state=State.RUNNING, wait_until__isnull=False, enqueued_at__lt=now - _WAITING_LOOK)
    for job in forgotten[:500]:
        if Job.objects.filter(pk=job.pk, enqueued_at=job.enqueued_at).update(enqueued_at=now):
            enqueue(job)
    for job in waiting[:500]:
        if Job.objects.filter(pk=job.pk, enqueued_at=job.enqueued_at).update(enqueued_at=now):
            enqueue(job)
    dead = Job.objects.filter(state=State.RUNNING, wait_until__isnull=True, heartbeat_at__lt=now - DEAD_AFTER)
    for job in dead[:100]:
        settle(job.pk)


def enqueue_batch(batch: str) -> None:
    for job in Job.objects.filter(batch=batch, state=State.QUEUED).order_by("id").iterator():
        enqueue(job)


def tidy(keep: timedelta = timedelta(days=90)) -> None:
    """Remove ended jobs after a time."""
    Job.objects.filter(finished_at__lt=timezone.now() - keep).delete()


# ── the steps ──


def _claim(job_id: int) -> Job | None:
    now, claim = timezone.now(), uuid.uuid4().hex
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        return None
    mine = Job.objects.filter(pk=job_id, claim=job.claim).filter(
        Q(state=State.QUEUED) | Q(state=State.RUNNING, wait_until__isnull=False)
    )
    fields = {"state": State.RUNNING, "claim": claim, "heartbeat_at": now, "attempts": job.attempts + 1}
    if job.started_at is None:
        fields["started_at"] = job.started_at = now
    if not mine.update(**fields, wait_until=None):
        return None
    job.claim, job.state = claim, State.RUNNING
    return job  # job.wait_until still says whether it was waiting


def _claim_dead(job_id: int) -> Job | None:
    now, claim = timezone.now(), uuid.uuid4().hex
    dead = Job.objects.filter(
        pk=job_id, state=State.RUNNING, wait_until__isnull=True, heartbeat_at__lt=now - DEAD_AFTER
    )
    if not dead.update(claim=claim, heartbeat_at=now):
        return None
    return Job.objects.get(pk=job_id)


def _give_back(work: Work, wait: Wait) -> None:
    """No worker holds it while it waits; the first limit counts, whoever looks in between."""
    job, now = work.job, timezone.now()
    until = job.wait_until or now + wait.limit
    changed = Job.objects.filter(pk=job.pk, claim=job.claim, state=State.RUNNING).update(
        wait_until=until, phase=wait.phase, enqueued_at=now, claim="", heartbeat_at=now
    )
    if changed and not work.resumed:
        work.log(wait.phase)
    asked = Job.objects.filter(pk=job.pk).exclude(cancel_asked_by="").exists()
    if asked and Job.objects.filter(pk=job.pk, wait_until__isnull=False, state=State.RUNNING).update(
        state=State.CANCELLED, finished_at=now, wait_until=None, phase=""
    ):
        announce(job, "cancelled")


def _settle_later(job: Job, exc: VirtError) -> None:
    """The host does not answer now: the job stays as it is, dead by heartbeat, and is asked for again."""
    started = job.started_at or job.created_at
    if timezone.now() - started > _SETTLE_PATIENCE and not exc.retry:
        _end(job, State.INTERRUPTED, error=f"Its worker died, and the host cannot say what became of it: {exc}", detail=exc.detail)
        return
    Job.objects.filter(pk=job.pk, claim=job.claim).update(phase=f"Waiting for the host to say what became of it: {exc}"[:200])
    announce(job, "progress")


def _end(job: Job, state: State, *, result: registry.Result = None, error: str = "", detail: str = "", retry_helps: bool = False) -> None:
    """Written only by the delivery that holds the claim."""
    changed = Job.objects.filter(pk=job.pk, claim=job.claim, state=State.RUNNING).update(
        state=state,
        result=result,
        error=error,
        detail=detail,
        retry_helps=retry_helps,
        phase="",
        wait_until=None,
        finished_at=timezone.now(),
        progress=100 if state == State.DONE else job.progress,
    )
    if changed:
        announce(job, state.value)
