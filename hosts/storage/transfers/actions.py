"""What a person may ask: bring a file from the browser or from another server, take one away. Each returns what it made, or raises Refused."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import NoReturn

from celery import current_app
from django.db import transaction

from accounts import audit
from accounts.models import User
from hosts.storage.actions import place_of, pool_refusal
from hosts.storage.models import Pool, Volume
from hosts.storage.transfers import spool
from hosts.storage.transfers.limits import MOST_DOWNLOADS_OF_A_PERSON, MOST_UNFINISHED_OF_A_HOST, MOST_UNFINISHED_OF_A_PERSON, largest_bytes
from hosts.storage.transfers.models import Incoming, Source
from jobs import submit as jobs
from jobs.models import WAITING, Job
from jobs.submit import Refused
from virt import names
from virt.errors import Invalid

_KIND = "hosts.storage.transfers."
_NOBODY_WAITS_SECONDS = 60


@dataclass(frozen=True)
class File:
    """What a browser says of a file; `digest` as hosts.storage.transfers.digests.read returns it."""

    name: str
    size_bytes: int
    file_name: str = ""
    modified_ms: int = 0
    digest: str = ""


def upload(user: User, pool: Pool, file: File) -> Incoming:
    """A volume that the browser is going to fill."""
    refusal = _refusal(user, pool, file.name)
    if not refusal and file.size_bytes <= 0:
        refusal = "The file is empty."
    if not refusal and file.size_bytes > largest_bytes():
        refusal = f"The file is larger than may be uploaded here ({largest_bytes() // 2**30} GiB)."
    if not refusal and pool.capacity_bytes and file.size_bytes > pool.available_bytes:
        refusal = f"The pool has not so much room: {pool.available_bytes / 2**30:.1f} GiB are free."
    if refusal:
        _refuse(user, "upload", file.name, refusal)
    new = Incoming(
        source=Source.BROWSER,
        file_name=file.file_name[:255],
        file_modified_ms=file.modified_ms,
        size_bytes=file.size_bytes,
        wanted_digest=file.digest,
    )
    return _submit(user, pool, file.name, new, "upload")


def fetch(user: User, pool: Pool, name: str, url: str, digest: str = "") -> Incoming:
    """A volume that a worker fetches from another web server. Whether it may be reached is asked there, when its name is resolved."""
    refusal = _refusal(user, pool, name)
    if refusal:
        _refuse(user, "fetch", name, refusal)
    new = Incoming(source=Source.URL, url=url, file_name=url.rpartition("/")[2][:255], wanted_digest=digest)
    return _submit(user, pool, name, new, "fetch")


def call_worker(incoming: Incoming) -> None:
    """The browser has something, and its job may be waiting without a worker."""
    spool.want(str(incoming.pk))
    job = incoming.job
    if job and Job.objects.filter(WAITING, pk=job.pk).exists():
        jobs.enqueue(job, jobs.Urgency.LOOK)


def cancel(user: User, incoming: Incoming) -> bool:
    """Stops, and nothing of it is left; False when there is nothing to stop."""
    job = incoming.job
    return bool(job and jobs.cancel(job, user.username))


def download(user: User, volume: Volume, span: tuple[int | None, int | None], condition: str = "") -> str:
    """Have a worker read it; the token of the queue that it fills. `span`: first and last byte, as in HTTP's Range.

    `condition`: If-Range, the state that an earlier part was of.
    """
    refusal = pool_refusal(volume.pool, "make")
    token = secrets.token_urlsafe(16)
    if not refusal and not spool.expect(token, user.pk, MOST_DOWNLOADS_OF_A_PERSON):
        refusal = f"{MOST_DOWNLOADS_OF_A_PERSON} downloads of yours are running."
    if refusal:
        _refuse(user, "download", volume.name, refusal)
    wanted = {"token": token, "pool": volume.pool_id, "name": volume.name, "first": span[0], "last": span[1], "condition": condition}
    audit.record(f"{_KIND}download", volume.name, actor=user, result="asked", detail={"pool": volume.pool.name, "host": volume.pool.host.name, "span": span})
    current_app.send_task(f"{_KIND}send", kwargs=wanted, queue="bulk", priority=jobs.Urgency.LOOK, expires=_NOBODY_WAITS_SECONDS, retry=False)
    return token


# ── steps ──


def _refusal(user: User, pool: Pool, name: str) -> str:
    reason = pool_refusal(pool, "bring")
    if reason:
        return reason
    try:
        names.volume_name(name)
    except Invalid as exc:
        return str(exc)
    if pool.volumes.filter(name=name).exists():
        return f"A volume {name} is in {pool.name} already."
    unfinished = Incoming.objects.filter(ended_at=None)
    if unfinished.filter(asked_by=user).count() >= MOST_UNFINISHED_OF_A_PERSON:
        return f"{MOST_UNFINISHED_OF_A_PERSON} uploads of yours are not finished. Finish or cancel some."
    if unfinished.filter(place__pool__host=pool.host_id).count() >= MOST_UNFINISHED_OF_A_HOST:
        return f"{MOST_UNFINISHED_OF_A_HOST} uploads to {pool.host.name} are not finished. Finish or cancel some."
    return ""


def _submit(user: User, pool: Pool, name: str, new: Incoming, kind: str) -> Incoming:
    new.place, new.asked_by = place_of(pool, name), user
    with transaction.atomic():
        new.save(force_insert=True)
        job = jobs.submit(_KIND + kind, new.place.subject, asked_by=user, params={"incoming": str(new.pk)})
        new.job = job
        new.save(update_fields=["job"])
    return new


def _refuse(user: User, kind: str, name: str, reason: str) -> NoReturn:
    audit.record(_KIND + kind, name[:100], actor=user, result="refused", detail={"why": reason})
    raise Refused(reason)
