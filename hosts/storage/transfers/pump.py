"""The bytes of an upload's chunk: from the browser's connection into Redis, piece by piece, past Django.

1. Django answers the request without its body: session, rights, form token, protocol (views.py). Only a yes goes on. For a second
   it is good for the next chunks of the same upload from the same browser: at full speed there are thirty a second.
2. The chunk gets its turn and its room in the spool; the browser waits meanwhile, unread.
3. Pieces go to Redis as they come; memory: one piece a request.
4. A whole one counts. Of a broken one counts what came, if no checksum says otherwise.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
from django.conf import settings
from django.utils.datastructures import CaseInsensitiveMapping
from redis.exceptions import RedisError

from hosts.storage.transfers import spool, tus
from hosts.storage.transfers.limits import PIECE_BYTES, WINDOW_BYTES, spool_bytes
from hosts.storage.transfers.straight import Putter
from hosts.storage.transfers.tus import PUMP_HEADER

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

PREFIXES = ("/storage/uploads/", "/api/v1/storage/uploads/")
_HEADER = PUMP_HEADER.lower().encode()
_VERSION = (b"tus-resumable", tus.VERSION.encode())
_YES_SECONDS = 1.0
_MOST_YES = 500
_ASKED_WITH = (b"cookie", b"authorization", b"x-csrftoken", b"tus-resumable", b"origin", b"referer", b"host", b"x-forwarded-proto", b"sec-fetch-site")
_ROOM_SECONDS = 20.0  # for a place in the spool, or a worker
_SILENCE_SECONDS = 45.0  # of a browser in the middle of a chunk
_HOLD_EVERY_SECONDS = 10.0
_FIRST_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 0.004, 0.25


@dataclass
class _Answer:
    """What Django said."""

    status: int = 500
    headers: Headers = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    @property
    def pump(self) -> bytes | None:
        return next((value for name, value in self.headers if name.lower() == _HEADER), None)


@dataclass(frozen=True)
class _Yes:
    """Of Django's: to which upload, of what size; and the headers of the answer."""

    upload: str
    size_bytes: int
    headers: Headers
    until: float


@dataclass(frozen=True)
class _Coming:
    """A chunk that was let in, and the request's own name in the spool."""

    upload: str
    offset: int
    length: int
    checksum: str
    request: str


class _Refusal(Exception):
    def __init__(self, status: int, words: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(words)
        self.status, self.headers = status, headers


class _NobodyThere(Exception):
    """No worker has opened the spool."""


class Pump:
    """`django` answers requests; `otherwise` all that is no chunk."""

    def __init__(self, django: Application, otherwise: Application) -> None:
        self._django, self._otherwise = django, otherwise
        self._yes: dict[tuple[object, ...], _Yes] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PATCH" or not scope["path"].startswith(PREFIXES):
            await self._otherwise(scope, receive, send)
            return
        try:
            if not await self._as_before(scope, receive, send):
                await self._by_asking(scope, receive, send)
        except tus.Wrong as wrong:
            await _reply(send, wrong.status, [_VERSION], str(wrong))
        except _Refusal as no:
            await _reply(send, no.status, [*no.headers, _VERSION], str(no))
        except RedisError as exc:
            logger.warning("%s: the spool is away: %s", scope["path"], exc)
            await _reply(send, 503, [(b"retry-after", b"2"), _VERSION], "The spool is away for a moment. Try again.")

    async def _as_before(self, scope: Message, receive: Receive, send: Send) -> bool:
        """By a yes of a moment ago; False: there is none, or nobody is there to take it and Django has to call a worker."""
        yes = self._yes.get(_key(scope))
        if yes is None or yes.until < time.monotonic():
            return False
        try:
            accepted = await _bring(_coming(scope, yes), receive, patient=False)
        except _NobodyThere:
            return False
        await _reply(send, 204, [*yes.headers, (b"upload-offset", str(accepted).encode())])
        return True

    async def _by_asking(self, scope: Message, receive: Receive, send: Send) -> None:
        said = await self._ask(scope)
        if said.status != 204 or said.pump is None:
            for message in said.messages:
                await send(message)
            return
        headers = [pair for pair in said.headers if pair[0].lower() not in (_HEADER, b"content-length", b"content-type", b"set-cookie")]
        told = json.loads(said.pump)
        yes = _Yes(str(told["upload"]), int(told["size"]), headers, time.monotonic() + _YES_SECONDS)
        if len(self._yes) >= _MOST_YES:
            self._yes.clear()
        self._yes[_key(scope)] = yes
        accepted = await _bring(_coming(scope, yes), receive)
        await _reply(send, 204, [*headers, (b"upload-offset", str(accepted).encode())])

    async def _ask(self, scope: Message) -> _Answer:
        """The request without its body."""
        answer, asked = _Answer(), False

        async def receive_nothing() -> Message:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()  # the browser is still there
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def keep(message: Message) -> None:
            answer.messages.append(message)
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])

        await self._django(scope, receive_nothing, keep)
        return answer


def _key(scope: Message) -> tuple[object, ...]:
    """Who asks for what: all that Django's yes depended on."""
    client = (scope.get("client") or ("",))[0]
    return (scope["path"], client, scope.get("scheme"), *((name, value) for name, value in scope["headers"] if name in _ASKED_WITH))


def _coming(scope: Message, yes: _Yes) -> _Coming:
    """Raises tus.Wrong."""
    headers = CaseInsensitiveMapping({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})
    chunk = tus.chunk(headers, yes.size_bytes)
    return _Coming(yes.upload, chunk.offset, chunk.length, chunk.checksum, secrets.token_hex(8))


async def _bring(coming: _Coming, receive: Receive, *, patient: bool = True) -> int:
    """The offset up to which all is accepted now. Raises _NobodyThere at once, unless it is patient."""
    if not coming.length:
        return coming.offset
    link = client()
    await _reserve(link, coming, patient=patient)
    check, putter, pieces = _Checksum(coming.checksum), Putter(link), 0
    got = 0
    try:
        held = time.monotonic()
        async for parts in _pieces(receive, coming.length):
            check.update(parts)
            pieces += 1
            await putter.put(spool.piece_key(coming.upload, coming.request, pieces - 1), spool.KEPT_SECONDS, parts)
            got += sum(map(len, parts))
            if time.monotonic() - held >= _HOLD_EVERY_SECONDS:
                held = time.monotonic()
                await link.register_script(spool.HOLD)(keys=[spool.state_key(coming.upload)], args=[coming.request, spool.HOLD_MS])
        if got == coming.length and not check.holds():
            raise _Refusal(460, "The checksum does not fit: send it again.")
        if got < coming.length and coming.checksum:
            raise _Refusal(400, "The chunk was not whole.")
        await putter.settle()
    except BaseException:
        with contextlib.suppress(RedisError):
            await asyncio.shield(_commit(link, coming, 0, pieces))
        raise
    finally:
        await asyncio.shield(putter.leave())
    accepted = await _commit(link, coming, got, pieces)
    if accepted < 0:
        raise _Refusal(409, "The turn was lost: ask where to go on.")
    return accepted


async def _reserve(link: redis.asyncio.Redis, coming: _Coming, *, patient: bool = True) -> None:
    """Wait for the turn, for room, for a worker."""
    keys = [spool.state_key(coming.upload), spool.OPEN_SET]
    arguments: list[str | int] = [coming.offset, coming.length, WINDOW_BYTES, spool_bytes(), coming.request, spool.HOLD_MS]
    until, pause = time.monotonic() + _ROOM_SECONDS, _FIRST_LOOK_SECONDS
    script = link.register_script(spool.RESERVE)
    while True:
        word, accepted = await script(keys=keys, args=arguments)
        if word == b"ok":
            return
        if word == b"away" and not patient:
            raise _NobodyThere
        if word == b"offset":
            raise _Refusal(409, "The offset is another one.", (b"upload-offset", str(accepted).encode()))
        if time.monotonic() > until:
            if word == b"locked":
                raise _Refusal(423, "Another request is bringing a chunk of it.", (b"retry-after", b"2"))
            raise _Refusal(503, "No worker is at it, or the host takes nothing now. Try again.", (b"retry-after", b"2"))
        await asyncio.sleep(pause)
        pause = min(_LONGEST_LOOK_SECONDS, pause * 1.5)


async def _pieces(receive: Receive, length: int) -> AsyncIterator[list[bytes]]:
    """Up to `length` bytes, each piece in the parts that came; fewer when the browser goes away; more are refused. A slow browser's pieces are small."""
    parts: list[bytes] = []
    size = got = 0
    more, since = True, time.monotonic()
    while more and got < length:
        try:
            message = await asyncio.wait_for(receive(), _SILENCE_SECONDS)
        except TimeoutError:
            break
        if message["type"] == "http.disconnect":
            break
        body = message.get("body", b"")
        more = message.get("more_body", False)
        got += len(body)
        if got > length:
            raise _Refusal(413, "More came than was announced.")
        if body:
            parts.append(body)
        size += len(body)
        if size >= PIECE_BYTES or (size and time.monotonic() - since > _HOLD_EVERY_SECONDS):
            yield parts
            parts, size, since = [], 0, time.monotonic()
    if size:
        yield parts


async def _commit(link: redis.asyncio.Redis, coming: _Coming, length: int, pieces: int) -> int:
    of_pieces = [spool.piece_key(coming.upload, coming.request, number) for number in range(pieces)]
    keys = [spool.state_key(coming.upload), spool.chunks_key(coming.upload), *of_pieces]
    return int(await link.register_script(spool.COMMIT)(keys=keys, args=[coming.request, length]))


class _Checksum:
    def __init__(self, header: str) -> None:
        name, _, encoded = header.partition(" ")
        self._wanted = base64.b64decode(encoded) if header else b""
        self._digest = hashlib.new(name) if header else None

    def update(self, parts: list[bytes]) -> None:
        if self._digest:
            for part in parts:
                self._digest.update(part)

    def holds(self) -> bool:
        return self._digest is None or self._digest.digest() == self._wanted


async def _reply(send: Send, status: int, headers: Headers, words: str = "") -> None:
    body = words.encode()
    more = [] if status == 204 else [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": body})


_clients: dict[asyncio.AbstractEventLoop, redis.asyncio.Redis] = {}


def client() -> redis.asyncio.Redis:
    """Of this loop."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=3)
    return _clients[loop]
