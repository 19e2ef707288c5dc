"""What tus asks about an upload, answered the same to the page's script and to a program with a token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import http_date
from redis.exceptions import RedisError

from accounts.models import User
from hosts.storage.models import Pool
from hosts.storage.transfers import actions, digests, spool, tus
from hosts.storage.transfers.limits import forgotten_after_hours
from hosts.storage.transfers.models import Incoming, Source
from virt.errors import Invalid

AWAY = "What carries it is away for a moment. Try again."


def begin(request: HttpRequest, user: User, pool: Pool, address_of: Callable[[Incoming], str]) -> HttpResponse:
    """tus' creation: 201 with the address of the new upload. Raises tus.Wrong, jobs.submit.Refused."""
    tus.check_version(request)
    if request.headers.get("Upload-Length") is None:
        raise tus.Wrong(400, "Upload-Length is missing: the size must be known.")
    told = tus.metadata(request)
    file = actions.File(
        name=told.get("name") or told.get("filename", ""),
        size_bytes=tus.number(request.headers, "Upload-Length"),
        file_name=told.get("filename", ""),
        modified_ms=_milliseconds(told.get("modified", "")),
        digest=_digest(told.get("checksum", "")),
    )
    made = actions.upload(user, pool, file)
    response = tus.answer(201, Location=address_of(made), Upload_Expires=_expires(made))
    response.headers["WV-Job"] = str(made.job_id)
    return response


def go_on(request: HttpRequest, user: User, incoming: Incoming) -> HttpResponse:
    """HEAD: how far it is. PATCH: yes, the pump takes the bytes. DELETE: it is cancelled. Raises tus.Wrong."""
    tus.check_version(request)
    if request.method == "DELETE":
        if not actions.cancel(user, incoming):
            raise tus.Wrong(410, "It is over.")
        return tus.answer(204)
    alive = _is_alive(incoming)
    if not alive and not (request.method == "HEAD" and incoming.done_at):
        raise tus.Wrong(410, "It is over.")
    if request.method == "HEAD":
        return tus.answer(200, Upload_Offset=offset(incoming), Upload_Length=incoming.size_bytes, Upload_Expires=_expires(incoming))
    if incoming.source != Source.BROWSER:
        raise tus.Wrong(403, "It is fetched from an address: nobody else brings it.")
    tus.chunk(request.headers, incoming.size_bytes)
    actions.call_worker(incoming)
    return tus.let_in(str(incoming.pk), incoming.size_bytes, expires_at(incoming))


def state(incoming: Incoming) -> dict[str, Any]:
    """How it stands. `offset`: at which its sender goes on."""
    job = incoming.job
    return {
        "state": "done" if incoming.done_at else job.state if job else "cancelled",
        "offset": offset(incoming),
        "size": incoming.size_bytes,
        "phase": job.phase if job else "",
        "error": job.error if job else "",
        "warning": str((job.result or {}).get("warning", "")) if job else "",
        "sha256": incoming.digest,
        "job": incoming.job_id,
    }


def offset(incoming: Incoming) -> int:
    if incoming.ended_at:
        return incoming.size_bytes if incoming.done_at else incoming.written_bytes
    try:
        found = spool.accepted(str(incoming.pk))
    except RedisError:  # it has forgotten, then: what the host has is what counts
        found = None
    return incoming.written_bytes if found is None else found


def expires_at(incoming: Incoming) -> datetime:
    return max(incoming.touched_at, timezone.now() - timedelta(minutes=1)) + timedelta(hours=forgotten_after_hours())


# ── steps ──


def _is_alive(incoming: Incoming) -> bool:
    return incoming.ended_at is None and incoming.job is not None and incoming.job.is_active and not incoming.job.cancel_asked_by


def _expires(incoming: Incoming) -> str:
    return http_date(expires_at(incoming).timestamp())


def _milliseconds(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _digest(text: str) -> str:
    try:
        return digests.read(text)
    except Invalid as exc:
        raise tus.Wrong(400, str(exc)) from exc
