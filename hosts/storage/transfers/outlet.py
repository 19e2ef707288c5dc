"""A download as the web process hands it on: pieces from Redis to the browser, a worker fills in behind. Memory: one piece a request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from redis.exceptions import RedisError

from hosts.storage.transfers import spool
from hosts.storage.transfers.pump import client

logger = logging.getLogger(__name__)

_SILENCE_SECONDS = 60
_READS_SECONDS = 30
_AGAIN_SECONDS = 5


def in_text(status: int, words: str, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8", headers=headers)


async def respond(token: str, name: str, say: Callable[[int, str, dict[str, str]], HttpResponse] = in_text) -> HttpResponseBase:
    """200 or 206 with the bytes; 416, 503 or 502 with the reason, as `say` puts it."""
    try:
        found = await _next(token, settings.DOWNLOAD_PATIENCE_SECONDS)
        head: dict[str, Any] = json.loads(found) if found else {}
    except (RedisError, ValueError) as exc:
        logger.warning("download of %s: %s", name, exc)
        head = {}
    if not head:
        await _leave(token)
        return say(503, "No worker could read it now. Try again.", {"Retry-After": "5"})
    if "error" in head:
        return say(502, str(head["error"]), {})
    if head["impossible"]:
        return say(416, "The volume is not so long.", {"Content-Range": f"bytes */{head['size']}"})
    response = StreamingHttpResponse(_bytes(token, int(head["length"])), content_type="application/octet-stream", status=206 if head["part"] else 200)
    headers = {
        "Content-Length": str(head["length"]),
        "Accept-Ranges": "bytes",
        "ETag": str(head["tag"]),
        "Cache-Control": "private, no-store",
        "Content-Encoding": "identity",  # not to be compressed on its way: it would not be resumable
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    for header, value in headers.items():
        response.headers[header] = value
    if head["part"]:
        response.headers["Content-Range"] = f"bytes {head['first']}-{head['first'] + head['length'] - 1}/{head['size']}"
    return response


async def _bytes(token: str, length: int) -> AsyncIterator[bytes]:
    """Ends early, and so breaks the connection, when the worker does."""
    left = length
    try:
        while left > 0:
            piece = await _next(token, _SILENCE_SECONDS)
            if not piece:
                raise ConnectionAbortedError("the worker could not read all of it")
            left -= len(piece)
            yield piece
    finally:
        await asyncio.shield(_leave(token))


async def _next(token: str, seconds: float) -> bytes | None:
    """The next piece; None when none came in that time. Says all the while that somebody reads."""
    key, until = spool.out_key(token), time.monotonic() + seconds
    while time.monotonic() < until:
        pipe = client().pipeline(transaction=False)
        pipe.set(f"{key}:reader", 1, ex=_READS_SECONDS)
        pipe.lpop(key)
        piece = (await pipe.execute())[1]
        if piece is None:
            found = await client().blpop([key], timeout=min(_AGAIN_SECONDS, seconds))
            piece = found[1] if found else None
        if piece is not None:
            return bytes(piece)
    return None


async def _leave(token: str) -> None:
    """The worker sees it with its next piece."""
    with contextlib.suppress(RedisError):
        await client().unlink(f"{spool.out_key(token)}:reader", spool.out_key(token))
