"""What is on its way between the web process and a worker, in Redis: a bounded spool for each upload, a bounded queue for each download.

Redis may forget all of it at any moment (docs/decisions/0002). Of an upload nothing is lost then that the browser has not
still: what counts is Incoming.written_bytes, and the browser is told to go back to it.

An upload, by its id:
    wv:in:<id>              accepted   the offset up to which the browser's bytes were taken; its next chunk begins there
                            taken      the offset up to which the worker has them
                            lock       the request that is bringing a chunk now, with `until` (ms) and its `length`
    wv:in:<id>:chunks       "<request>:<offset>:<length>:<pieces>" of each chunk that is whole, in order
    wv:in:<id>:c:<request>:<number>
                            a piece of that chunk; a value each, which Redis copies less often than a list's
    wv:in:<id>:wanted       a browser knocked: a worker should come
    wv:in                   the ids that have something here
Only a worker opens an upload's spool, at the offset that the host has; until it does, nothing is accepted.

A download, by its token:
    wv:out:<token>          pieces, the first one is the head (JSON), an empty one: no more comes
    wv:out:<token>:reader   there while somebody reads
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import redis
from django.conf import settings

from hosts.storage.transfers.limits import DOWNLOAD_PIECES
from hosts.storage.transfers.straight import Taker
from virt.packets import PACKET_BYTES

OPEN_SET = "wv:in"
HOLD_MS = 60_000  # a request that brings nothing for so long has lost its turn
KEPT_SECONDS = 3600
_WANTED_SECONDS = 30
_READER_SECONDS = 30
_LOOK_SECONDS = 0.02

# KEYS: state, the set of ids. ARGV: offset, length, window, all, request, hold in ms. → {word, offset}
RESERVE = """
local s = redis.call('HMGET', KEYS[1], 'accepted', 'taken', 'lock', 'until')
if not s[1] then return {'away', 0} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local accepted, length = tonumber(s[1]), tonumber(ARGV[2])
if s[3] and s[3] ~= '' and tonumber(s[4]) > now then return {'locked', accepted} end
if accepted ~= tonumber(ARGV[1]) then return {'offset', accepted} end
local held = accepted - tonumber(s[2])
if held > 0 and held + length > tonumber(ARGV[3]) then return {'full', accepted} end
local total = 0
for _, id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local h = redis.call('HMGET', KEYS[2] .. ':' .. id, 'accepted', 'taken', 'length')
  if h[1] then total = total + h[1] - h[2] + (h[3] or 0) else redis.call('SREM', KEYS[2], id) end
end
if total > 0 and total + length > tonumber(ARGV[4]) then return {'full', accepted} end
redis.call('HSET', KEYS[1], 'lock', ARGV[5], 'until', now + tonumber(ARGV[6]), 'length', length)
return {'ok', accepted}
"""

# KEYS: state. ARGV: request, hold in ms. → 1 while the turn is still the request's
HOLD = """
if redis.call('HGET', KEYS[1], 'lock') ~= ARGV[1] then return 0 end
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], 'until', t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[2]))
return 1
"""

# KEYS: state, chunks, the pieces. ARGV: request, bytes (0: none of it). → the offset up to which is accepted now, -1: the turn was lost
COMMIT = """
local function drop() for number = 3, #KEYS do redis.call('UNLINK', KEYS[number]) end end
if redis.call('HGET', KEYS[1], 'lock') ~= ARGV[1] then drop() return -1 end
redis.call('HSET', KEYS[1], 'lock', '', 'length', 0)
local length = tonumber(ARGV[2])
local before = tonumber(redis.call('HGET', KEYS[1], 'accepted'))
if length == 0 then drop() return before end
redis.call('RPUSH', KEYS[2], string.format('%s:%d:%d:%d', ARGV[1], before, length, #KEYS - 2))
redis.call('EXPIRE', KEYS[2], 3600)
return redis.call('HINCRBY', KEYS[1], 'accepted', length)
"""

# KEYS: state, chunks, the set. ARGV: id. → 1 when nothing was in it and nothing is coming, and it is closed
_CLOSE = """
if redis.call('LLEN', KEYS[2]) > 0 then return 0 end
local lock = redis.call('HMGET', KEYS[1], 'lock', 'until')
local t = redis.call('TIME')
if lock[1] and lock[1] ~= '' and tonumber(lock[2]) > t[1] * 1000 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[3], ARGV[1])
return 1
"""


def state_key(upload: str) -> str:
    return f"{OPEN_SET}:{upload}"


def chunks_key(upload: str) -> str:
    return f"{OPEN_SET}:{upload}:chunks"


def piece_key(upload: str, request: str, number: int) -> str:
    return f"{OPEN_SET}:{upload}:c:{request}:{number}"


def client() -> redis.Redis:
    """Of this thread's own: large pieces, and an answer within seconds or an error."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=3, socket_read_size=2**20)


# ── uploads: what a web request asks ──


def accepted(upload: str) -> int | None:
    """The offset at which the browser may go on; None while no worker has opened the spool."""
    found = _shared().hget(state_key(upload), "accepted")
    return None if found is None else int(found)


def want(upload: str) -> None:
    _shared().set(f"{state_key(upload)}:wanted", 1, ex=_WANTED_SECONDS)


# ── uploads: the worker's side ──


@dataclass(frozen=True, slots=True)
class Chunk:
    request: str
    offset: int
    length: int
    pieces: int


class Spool:
    """The end that a worker holds, one at a time (the job's claim sees to that)."""

    def __init__(self, upload: str) -> None:
        self._upload = upload
        self._redis = client()
        self._state, self._chunks = state_key(upload), chunks_key(upload)
        self._close = self._redis.register_script(_CLOSE)
        self._taker = Taker(self._redis, PACKET_BYTES)

    def is_wanted(self) -> bool:
        return bool(self._redis.exists(f"{self._state}:wanted", self._chunks))

    def open(self, offset: int) -> None:
        """From here on; what another worker left is dropped, and the browser is told to go back."""
        old = self._queued()
        pipe = self._redis.pipeline()
        pipe.unlink(self._state, self._chunks, f"{self._state}:wanted", *old)
        pipe.hset(self._state, mapping={"accepted": offset, "taken": offset, "lock": "", "until": 0, "length": 0})
        pipe.expire(self._state, KEPT_SECONDS)
        pipe.sadd(OPEN_SET, self._upload)
        pipe.execute()

    def is_open(self) -> bool:
        """False when Redis forgot it."""
        return bool(self._redis.expire(self._state, KEPT_SECONDS))

    def next(self, seconds: float) -> Chunk | None:
        """The next whole chunk; None when none came in that time."""
        found = self._redis.blpop([self._chunks], timeout=seconds)
        return _chunk(cast(bytes, found[1])) if found else None

    def packets(self, chunk: Chunk) -> Iterator[bytes]:
        """What is in a chunk, in order; each piece leaves Redis before it is read. Fewer bytes than its length: Redis has lost some."""
        return self._taker.take(self._pieces(chunk))

    def took(self, offset: int) -> None:
        self._redis.hset(self._state, "taken", offset)

    def close(self) -> bool:
        """True when nothing was in it and nothing was coming; only then it is closed."""
        return bool(self._close(keys=[self._state, self._chunks, OPEN_SET], args=[self._upload]))

    def drop(self) -> None:
        """The upload is over."""
        old = self._queued()
        self._redis.unlink(self._state, self._chunks, f"{self._state}:wanted", *old)
        self._redis.srem(OPEN_SET, self._upload)

    def leave(self) -> None:
        self._redis.close()

    def _queued(self) -> list[str]:
        """Where the pieces of whole chunks are."""
        return [key for entry in self._redis.lrange(self._chunks, 0, -1) for key in self._pieces(_chunk(cast(bytes, entry)))]

    def _pieces(self, chunk: Chunk) -> list[str]:
        return [piece_key(self._upload, chunk.request, number) for number in range(chunk.pieces)]


def _chunk(entry: bytes) -> Chunk:
    request, *numbers = entry.decode().split(":")
    return Chunk(request, *map(int, numbers))


# ── downloads: the worker's side ──


class ReaderGone(Exception):
    """Nobody reads any more."""


class Outlet:
    """Where a worker puts what a browser reads; waits while that is slower."""

    def __init__(self, token: str) -> None:
        self._key = out_key(token)
        self._redis = client()

    def put(self, piece: bytes) -> None:
        """Raises ReaderGone."""
        if not self._redis.exists(f"{self._key}:reader"):
            raise ReaderGone
        pipe = self._redis.pipeline()
        pipe.rpush(self._key, piece)
        pipe.expire(self._key, _READER_SECONDS)
        waiting = int(pipe.execute()[0])
        while waiting >= DOWNLOAD_PIECES:
            time.sleep(_LOOK_SECONDS)
            pipe.exists(f"{self._key}:reader")
            pipe.llen(self._key)
            pipe.expire(self._key, _READER_SECONDS)
            reads, waiting, _ = pipe.execute()
            if not reads:
                raise ReaderGone

    def leave(self) -> None:
        self._redis.close()


def out_key(token: str) -> str:
    return f"wv:out:{token}"


def expect(token: str, person: int, most: int) -> bool:
    """Before the worker is asked: somebody will read. False when the person reads `most` already."""
    link, theirs, now = _shared(), f"wv:out-of:{person}", time.time()
    tokens = [cast(bytes, found).decode() for found in link.zrange(theirs, 0, -1)]
    alive = [each for each in tokens if link.exists(f"{out_key(each)}:reader")]
    if len(alive) >= most:
        return False
    pipe = link.pipeline()
    pipe.set(f"{out_key(token)}:reader", 1, ex=_READER_SECONDS)
    for gone in set(tokens) - set(alive):
        pipe.zrem(theirs, gone)
    pipe.zadd(theirs, {token: now})
    pipe.expire(theirs, 24 * 3600)
    pipe.execute()
    return True


_redis: redis.Redis | None = None


def _shared() -> redis.Redis:
    """The web process's; its pool is safe among threads."""
    global _redis
    if _redis is None:
        _redis = client()
    return _redis
