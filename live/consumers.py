"""The one websocket of a page: says what it shows, hears what of it changed.

→  {"sub": ["machines", "machine:42", …], "since": ms}   replaces the whole wish; `since`: when the page was made
←  hello · subscribed · fact · numbers · ping · resync (look again) · stale (the watcher is silent) · bye
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import User
from accounts.rights import Rights
from live import audience, hub

logger = logging.getLogger(__name__)

_MOST_TOPICS = 600
_MOST_BYTES = 65_536
_MOST_WISHES_A_MINUTE = 240
_MOST_SOCKETS_A_PERSON = 60
_MOST_WAITING_FRAMES = 500
_PING_SECONDS = 20
_LOOK_AGAIN_SECONDS = 60
_RENEWED_SECONDS = 0.3  # a session that is there no more may have another key since: that is told in a moment

RUBBISH, SIGNED_OUT, NOWHERE, TOO_MANY, COME_BACK = 4400, 4401, 4404, 4429, 4000

_sockets_of: dict[int, int] = {}


class Nowhere(AsyncWebsocketConsumer):
    """Any other websocket path: refused before it is accepted."""

    async def connect(self) -> None:
        await self.close(code=NOWHERE)


class LiveConsumer(AsyncWebsocketConsumer):
    user_id: int = 0
    session_key: str = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topics: set[str] = set()
        self._asked: list[str] = []
        self._rights = Rights()
        self._checking = asyncio.Lock()
        self._wishes: deque[float] = deque(maxlen=_MOST_WISHES_A_MINUTE)
        self._frames: deque[str] = deque()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hub: hub.Hub | None = None
        self._leaving = False

    # ── life ──

    async def connect(self) -> None:
        """Accepted in every case: only then a page is told the code, and does not knock for ever."""
        await self.accept()
        user = self.scope.get("user")
        if not isinstance(user, User) or not user.is_active:
            await self.close(code=SIGNED_OUT)
            return
        if _sockets_of.get(user.pk, 0) >= _MOST_SOCKETS_A_PERSON:
            await self.close(code=TOO_MANY)
            return
        self._rights = await database_sync_to_async(Rights.of)(user)
        self.user_id, self.session_key = user.pk, self.scope["session"].session_key or ""
        self.push({"t": "hello", "at": int(time.time() * 1000)})
        self._join(hub.of_this_loop())

    def _join(self, ear: hub.Hub) -> None:
        _sockets_of[self.user_id] = _sockets_of.get(self.user_id, 0) + 1
        self._hub = ear
        ear.add(self)
        self._start(self._send_frames())
        self._start(self._beat())

    async def disconnect(self, code: int) -> None:
        self._leaving = True
        for task in self._tasks:
            task.cancel()
        if self._hub:
            self._hub.remove(self)
            self._hub = None
            _sockets_of[self.user_id] -= 1
            if not _sockets_of[self.user_id]:
                del _sockets_of[self.user_id]

    # ── from the browser ──

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._hub is None or self._leaving:
            return
        wish = _wish_in(text_data)
        if wish is None:
            await self._leave(RUBBISH)
            return
        if self._is_flood():
            await self._leave(TOO_MANY)
            return
        self._asked, since = wish
        await self._subscribe(since)

    def _is_flood(self) -> bool:
        now, full = time.monotonic(), len(self._wishes) == _MOST_WISHES_A_MINUTE
        flood = full and now - self._wishes[0] < 60
        self._wishes.append(now)
        return flood

    async def _subscribe(self, since: float | None = None) -> None:
        """Check the wish against the rights and say which topics are heard from now on."""
        ear = self._hub
        if ear is None:
            return
        await ear.ready()
        async with self._checking:  # an older answer never comes after a newer one
            allowed = await database_sync_to_async(_allowed)(self.user_id, self._asked)
            if self._hub is None:
                return
            ear.subscribe(self, allowed)
        told = since is not None and ear.tell_since(self, since)
        self.push({"t": "subscribed", "n": len(allowed), **({"since": True} if told else {})})

    # ── from the hub (same loop, never waits) ──

    def may_hear(self, host_id: int, machine_ids: Sequence[int]) -> bool:
        """Facts about the list topics reach only those who may see the host, or one of the machines."""
        rights = self._rights
        if rights.fleet or not (host_id or machine_ids):
            return True
        return bool(rights.hosts.get(host_id)) or any(rights.machines.get(key) for key in machine_ids)

    def push(self, frame: dict[str, Any]) -> None:
        self.push_text(json.dumps(frame))

    def push_text(self, text: str) -> None:
        """Queue a frame; a browser that does not read loses the oldest and is told to catch up."""
        if len(self._frames) >= _MOST_WAITING_FRAMES:
            self._frames.clear()
            text = json.dumps({"t": "resync"})
        self._frames.append(text)
        self._wake.set()

    def look_again(self) -> None:
        """Rights changed: read them anew, and drop what may no longer be heard."""
        self._start(self._refresh_rights())

    def dismiss(self, why: str) -> None:
        self._start(self._leave(SIGNED_OUT, why))

    def send_back(self) -> None:
        """Close, so that the browser comes again with the cookie that it has by then."""
        self._start(self._leave(COME_BACK))

    # ── tasks ──

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_frames(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._frames and not self._leaving:
                try:
                    await self.send(text_data=self._frames.popleft())
                except Exception as exc:  # the other side went; disconnect() follows
                    logger.debug("a socket of person %s went: %s", self.user_id, exc)
                    return

    async def _beat(self) -> None:
        """Keep proxies from closing an idle link, and notice an ended session within a minute by itself."""
        beats = 0
        while True:
            await asyncio.sleep(_PING_SECONDS)
            self.push({"t": "ping"})
            beats += 1
            if beats * _PING_SECONDS % _LOOK_AGAIN_SECONDS == 0:
                await self._refresh_rights()

    async def _refresh_rights(self) -> None:
        if self._leaving:
            return
        user = await database_sync_to_async(_still_here)(self.user_id, self.session_key)
        if user is None:
            await asyncio.sleep(_RENEWED_SECONDS)
            await self._leave(SIGNED_OUT, "Signed out")
            return
        rights = await database_sync_to_async(Rights.of)(user)
        if rights != self._rights:
            self._rights = rights
            await self._subscribe()
            self.push({"t": "resync"})

    async def _leave(self, code: int, why: str = "") -> None:
        """Nothing more is sent but the reason."""
        if self._leaving:
            return
        self._leaving = True
        with contextlib.suppress(Exception):  # the other side may be gone already
            if why:
                await self.send(text_data=json.dumps({"t": "bye", "why": why}))
            await self.close(code=code)


def _wish_in(text: str | None) -> tuple[list[str], float | None] | None:
    """The topics of {"sub": […], "since": ms} and the seconds of `since`, or None for anything else."""
    if text is None or len(text) > _MOST_BYTES:
        return None
    try:
        wish = json.loads(text)
    except (ValueError, RecursionError):
        return None
    topics = wish.get("sub") if isinstance(wish, dict) else None
    if not isinstance(topics, list) or len(topics) > _MOST_TOPICS:
        return None
    if not all(isinstance(topic, str) and len(topic) < 64 for topic in topics):
        return None
    since = wish.get("since")
    return topics, since / 1000 if isinstance(since, int | float) and 0 < since < 1e14 else None


def _allowed(user_id: int, topics: list[str]) -> set[str]:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    return audience.allowed(user, topics) if user else set()


def _still_here(user_id: int, session_key: str) -> User | None:
    """The person, if they are active and the session by which the socket came is still theirs and good."""
    session = Session.objects.filter(session_key=session_key, expire_date__gt=timezone.now()).first()
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if session is None or user is None:
        return None
    kept = session.get_decoded()
    is_theirs = kept.get(SESSION_KEY) == str(user.pk) and constant_time_compare(kept.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    return user if is_theirs else None
