"""The life of a job in a worker. `run` and `settle` read as the state diagram.

Who may write: a delivery claims the row by compare-and-swap, and everything after that is written only while the claim
is still its own. So a second delivery, a late worker or two sweeps at once are harmless.
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import datetime, timedelta

from celery import current_app
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from jobs import kinds, lanes, registry
from jobs.models import ACTIVE, HELD_BY_NOBODY, WAITING, Job, State
from jobs.registry import Fate
from jobs.submit import QUICK_LIMIT_SECONDS, Urgency, announce, ended, enqueue, send
from jobs.work import Cancelled, Wait, Work
from virt.errors import HostUnreachable, NotFound, VirtError

logger = logging.getLogger(__name__)

DEAD_AFTER = timedelta(seconds=30)  # six heartbeats
FORGOTTEN_AFTER = timedelta(seconds=20)
ASK_AGAIN_AFTER = timedelta(seconds=10)  # a waiting job without news; a host that could not say what became of one
SETTLE_PATIENCE = timedelta(days=1)
_SUSPICION_SECONDS = 4.0
_BUSY = 20  # messages in a queue
_AT_ONCE = 500


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
        except HostUnreachable as exc:
            _lost_the_host(work, exc)
        except VirtError as exc:
            _end(job, State.FAILED, error=str(exc), detail=exc.detail, retry_helps=exc.retry)
        except Exception:
            logger.exception("job %s (%s) failed unexpectedly", job.pk, job.kind)
            _end(job, State.FAILED, error="WebVirt made a mistake; its log has the details.")
        else:
            _end(job, State.DONE, result=result)


def settle(job_id: int) -> None:
    """A job's worker died or lost the host: ask the host what is true, and say that. Never runs the operation again."""
    job = _claim_orphan(job_id)
    if job is None:
        return
    work = Work(job)
    try:
        fate = registry.find(job.kind).settle(work)
    except NotFound as exc:
        _end(job, State.INTERRUPTED, error=f"{_cut_off(job)} {exc}", detail=exc.detail)
    except VirtError as exc:
        _ask_again_later(job, exc)
    except Exception:
        logger.exception("job %s (%s) cannot be settled", job.pk, job.kind)
        _end(job, State.INTERRUPTED, error=f"{_cut_off(job)} WebVirt can't tell what became of it; its log has the details.")
    else:
        _end_as_the_host_says(work, fate)


def sweep() -> None:
    """Find what the broker forgot, what waits, and whose worker died."""
    now = timezone.now()
    forgotten = Job.objects.filter(_older("enqueued_at", now - FORGOTTEN_AFTER), state=State.QUEUED, held_back=False)
    in_queue = {queue: Q(kind__in=kinds.of_queue(queue)) for queue in ("long", "bulk")}
    in_queue["quick"] = ~(in_queue["long"] | in_queue["bulk"])
    for queue, condition in in_queue.items():
        theirs = forgotten.filter(condition)
        if theirs.exists() and _messages_in(queue) < _BUSY:
            _enqueue_again(list(theirs.order_by("enqueued_at")[:_AT_ONCE]), now, Urgency.RUN)
    _enqueue_again([job for job in lanes.next_in_line() if job.enqueued_at < now - FORGOTTEN_AFTER], now, Urgency.RUN)
    waiting = Job.objects.filter(WAITING, _older("enqueued_at", now - ASK_AGAIN_AFTER))
    _enqueue_again(list(waiting.order_by("enqueued_at")[:_AT_ONCE]), now, Urgency.LOOK)
    for job in Job.objects.filter(_orphan(now), _older("enqueued_at", now - ASK_AGAIN_AFTER)).order_by("enqueued_at")[:_AT_ONCE]:
        if not job.claim or _is_dead_for_sure(job):
            Job.objects.filter(pk=job.pk).update(enqueued_at=now)
            send("jobs.settle", job.pk, queue="quick", time_limit=QUICK_LIMIT_SECONDS, priority=Urgency.LOOK)


def enqueue_batch(batch: str) -> None:
    """What one request asked for at once goes to the broker one by one."""
    for job in Job.objects.filter(batch=batch, state=State.QUEUED).order_by("id").iterator():
        enqueue(job)


def tidy(keep: timedelta = timedelta(days=90)) -> None:
    """Remove ended jobs after a time."""
    Job.objects.filter(finished_at__lt=timezone.now() - keep).delete()


# ── claiming ──


def _claim(job_id: int) -> Job | None:
    """The job, queued or waiting, now ours. `attempts` tells this turn from an earlier one that looks the same."""
    now = timezone.now()
    job = Job.objects.filter(pk=job_id).filter(WAITING | Q(state=State.QUEUED)).first()
    if job is None:
        return None
    claim, started = uuid.uuid4().hex, job.started_at or now
    unchanged = Job.objects.filter(WAITING | Q(state=State.QUEUED), pk=job_id, attempts=job.attempts)
    mine = {"state": State.RUNNING, "claim": claim, "heartbeat_at": now, "attempts": job.attempts + 1, "started_at": started}
    with transaction.atomic():
        if job.state == State.QUEUED and _is_held_back(job):
            return None
        if not unchanged.update(**mine, wait_until=None, held_back=False):
            return None
    job.claim, job.state, job.started_at = claim, State.RUNNING, started
    return job  # job.wait_until still says whether it was waiting


def _is_held_back(job: Job) -> bool:
    """A lane that it has to pass is full: it stays queued, and says why."""
    why = lanes.hindrance(job)
    if why and (not job.held_back or job.phase != why):
        Job.objects.filter(pk=job.pk, state=State.QUEUED).update(held_back=True, phase=why)
        announce(job, "queued")
    return bool(why)


def _claim_orphan(job_id: int) -> Job | None:
    now = timezone.now()
    job = Job.objects.filter(_orphan(now), pk=job_id).first()
    if job is None:
        return None
    claim = uuid.uuid4().hex
    unchanged = Job.objects.filter(_orphan(now), pk=job_id, claim=job.claim, attempts=job.attempts)
    if not unchanged.update(claim=claim, heartbeat_at=now, attempts=job.attempts + 1):
        return None
    job.claim = claim
    return job


def _orphan(now: datetime) -> Q:
    """Nobody holds it, or who held it gives no sign of life."""
    return HELD_BY_NOBODY | Q(state=State.RUNNING, wait_until__isnull=True, heartbeat_at__lt=now - DEAD_AFTER)


def _is_dead_for_sure(job: Job) -> bool:
    """Two sweeps apart saw the same old heartbeat: after a jump of the clock a living worker has beaten again by then."""
    key = f"jobs:silent:{job.pk}:{job.heartbeat_at and job.heartbeat_at.timestamp()}"
    first = cache.get_or_set(key, time.time(), timeout=600) or time.time()
    return bool(time.time() - first >= _SUSPICION_SECONDS)


# ── ends ──


def _give_back(work: Work, wait: Wait) -> None:
    """No worker holds it while it waits; the first limit counts, whoever looks in between."""
    job, now = work.job, timezone.now()
    until = job.wait_until or now + wait.limit
    if not work.resumed:
        work.log(wait.phase)
    if not work.mine().update(wait_until=until, phase=wait.phase[:200], enqueued_at=now, claim="", heartbeat_at=now):
        return
    # Asked to stop while a worker held it: nothing of it needs stopping on the host, or it would have stopped itself.
    asked = Job.objects.filter(WAITING, pk=job.pk, attempts=job.attempts + 1).exclude(cancel_asked_by="")
    if asked.update(state=State.CANCELLED, finished_at=now, wait_until=None, phase=""):
        ended(job, State.CANCELLED)
        return
    announce(job, "waiting")
    if job.children.exists() and not job.children.filter(state__in=ACTIVE).exists():
        enqueue(job, Urgency.LOOK)  # the last child ended while we looked, and could not wake it


def _lost_the_host(work: Work, exc: HostUnreachable) -> None:
    """Before anything was asked of the host it is a failure. After that the host must say what became of it, once it is back."""
    if work.resumed and not work.expired:
        _give_back(work, Wait(f"Waiting for the host: {exc}", timedelta(0)))
    elif work.begun or work.resumed:
        work.log(f"{_LOST}: {exc} It is asked what became of the job when it is back.")
        work.mine().update(claim="", phase=f"Waiting for the host: {exc}"[:200], enqueued_at=timezone.now())
        announce(work.job, "waiting")
    else:
        _end(work.job, State.FAILED, error=str(exc), detail=exc.detail, retry_helps=exc.retry)


def _end_as_the_host_says(work: Work, fate: Fate) -> None:
    job = work.job
    if fate == Fate.DONE:
        work.log(f"{_cut_off(job)} The host shows it done.")
        _end(job, State.DONE)
    elif fate == Fate.STILL_RUNNING:
        work.log(f"{_cut_off(job)} It still runs on the host and is followed from there.")
        until = timezone.now() + timedelta(hours=1)
        work.mine().update(wait_until=until, claim="", phase="Still running on the host", enqueued_at=timezone.now())
        announce(job, "waiting")
        enqueue(job, Urgency.LOOK)
    elif fate == Fate.UNKNOWN:
        _end(job, State.INTERRUPTED, error=f"{_cut_off(job)} Nothing on the host tells whether it was done.")
    else:
        _clean_up(work)
        _end(job, State.INTERRUPTED, error=f"{_cut_off(job)} The host shows that it was not done. Nothing was repeated.", retry_helps=True)


def _clean_up(work: Work) -> None:
    """What the operation has begun and nobody will finish is taken away, if it says how."""
    clean = registry.find(work.job.kind).clean
    if clean is None:
        return
    try:
        clean(work)
    except VirtError as exc:
        work.log(f"What it left could not be removed: {exc}")
    except Exception:
        logger.exception("job %s (%s) could not be cleaned up", work.job.pk, work.job.kind)
        work.log("What it left could not be removed; WebVirt's log has the details.")


def _ask_again_later(job: Job, exc: VirtError) -> None:
    """The host can't say now. It is asked again for a day; a person may give it up before."""
    if timezone.now() - (job.started_at or job.created_at) > SETTLE_PATIENCE:
        _end(job, State.INTERRUPTED, error=f"{_cut_off(job)} The host could not say for a day what became of it: {exc}", detail=exc.detail)
        return
    Job.objects.filter(pk=job.pk, claim=job.claim).update(claim="", phase=f"Waiting for the host: {exc}"[:200], enqueued_at=timezone.now())
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
        ended(job, state, error)


# ── the sweep's means ──


def _older(field: str, than: datetime) -> Q:
    """Before that time; or far in the future, which the clock was before it was set right."""
    return Q(**{f"{field}__lt": than}) | Q(**{f"{field}__gt": timezone.now() + timedelta(minutes=1)})


def _enqueue_again(jobs: list[Job], now: datetime, urgency: Urgency) -> None:
    for job in jobs:
        if Job.objects.filter(pk=job.pk, enqueued_at=job.enqueued_at).update(enqueued_at=now):
            enqueue(job, urgency)


def _messages_in(queue: str) -> int:
    """How many the broker holds: a busy queue has forgotten nothing, and must not be given everything twice."""
    try:
        with current_app.connection_for_read() as connection:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
    except Exception as exc:
        logger.debug("the broker does not say how long %s is: %s", queue, exc)
        return 0


_LOST, _DIED = "The host was lost in the middle", "Its worker died"


def _cut_off(job: Job) -> str:
    """What kept its worker from seeing it to its end."""
    return f"{_LOST if job.lines.filter(text__startswith=_LOST).exists() else _DIED}."
