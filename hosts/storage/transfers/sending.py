"""A volume, or a part of it, on its way to a browser, in a worker. It lives as long as somebody reads, and changes nothing: so it is no job."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import redis

from hosts.connections import connection_to
from hosts.storage.models import Pool
from hosts.storage.transfers.limits import PIECE_BYTES
from hosts.storage.transfers.ranges import Span, span_of
from hosts.storage.transfers.spool import Outlet, ReaderGone
from virt import volume as virt_volume
from virt.connection import Connection
from virt.errors import NotFound, VirtError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """`token`: of the queue that is to be filled. `first` and `last`: the part, as HTTP's Range says it. `condition`: the state that an earlier part was of."""

    token: str
    pool: int
    name: str
    first: int | None = None
    last: int | None = None
    condition: str = ""


def send(wanted: Wanted) -> None:
    outlet = Outlet(wanted.token)
    begun = False
    try:
        connection, pool = _reach(wanted)
        head, span = _head(wanted, connection, pool)
        outlet.put(head)
        begun = True
        for piece in _pieces(connection, pool, wanted.name, span):
            outlet.put(piece)
        outlet.put(b"")
    except ReaderGone:
        logger.info("download of %s: the browser went away", wanted.name)
    except redis.RedisError as exc:
        logger.warning("download of %s: %s", wanted.name, exc)
    except VirtError as exc:
        logger.warning("download of %s: %s", wanted.name, exc)
        with contextlib.suppress(ReaderGone, redis.RedisError):
            outlet.put(b"" if begun else json.dumps({"error": str(exc)}).encode())
    finally:
        outlet.leave()


def _reach(wanted: Wanted) -> tuple[Connection, Pool]:
    pool = Pool.objects.select_related("host").filter(pk=wanted.pool).first()
    if pool is None:
        raise NotFound("The pool is not known here any more.")
    return connection_to(pool.host), pool


def _head(wanted: Wanted, connection: Connection, pool: Pool) -> tuple[bytes, Span | None]:
    """What the web process has to know before the first byte, and what is going to be sent."""
    contents = virt_volume.contents(connection, pool.uuid, wanted.name)
    tag = tag_of(pool, wanted.name, contents)
    first, last = (wanted.first, wanted.last) if wanted.condition in ("", tag) else (None, None)  # another file by now: all of it
    span = span_of(first, last, contents.size_bytes)
    part = (first, last) != (None, None)
    head = {"size": contents.size_bytes, "tag": tag, "part": part, "impossible": span is None}
    return json.dumps({**head, "first": span.first if span else 0, "length": span.length if span else 0}).encode(), span


def _pieces(connection: Connection, pool: Pool, name: str, span: Span | None) -> Iterator[bytes]:
    """As large as one message to Redis should be."""
    if span is None or not span.length:
        return
    parts: list[bytes] = []
    size = 0
    for data in virt_volume.download(connection, pool.uuid, name, span.first, span.length):
        parts.append(data)
        size += len(data)
        if size >= PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def tag_of(pool: Pool, name: str, contents: virt_volume.Contents) -> str:
    """An ETag (RFC 9110, 8.8.3): the same as long as nobody writes to the volume."""
    text = f"{pool.uuid}/{name}/{contents.size_bytes}/{contents.modified}"
    return f'"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'
