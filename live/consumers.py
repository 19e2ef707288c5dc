"""The one websocket of a page: says what it shows, hears what of it changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.models import User
from accounts.rights import Rights
from live import audience, hub

_MOST_TOPICS = 600
_MOST_SOCKETS_A_PERSON = 60
_MOST_WAITING_FRAMES = 500
_PING_SECONDS = 20
_LOOK_AGAIN_SECONDS = 60
_sockets_of: dict[int, int] = {}


class Nowhere(AsyncWebsocketConsumer):
    """Any other websocket path: refused before it is accepted."""

    async def connect(self) -> None:
        await self.close(code=4404)


class LiveConsumer(AsyncWebsocketConsumer):
    user_id: int = 0
    session_key: str = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topics: set[str] = set()
        self._asked: list[str] = []
        self._rights = Rights()
        self._frames: deque[str] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._hub: hub.Hub | None = None

    # ── life ──

    async def connect(self) -> None:
        user = self.scope.get("user")
        if not isinstance(user, User) or not user.is_active:
            await self.close(code=4401)
            return
        if _sockets_of.get(user.pk, 0) >= _MOST_SOCKETS_A_PERSON:
            await self.close(code=4429)
            return
        self.user_id, self.session_key = user.pk, self.scope["session"].session_key or ""
        _sockets_of[user.pk] = _sockets_of.get(user.pk, 0) + 1
        self._hub = hub.of_this_loop()
        self._rights = await database_sync_to_async(Rights.of)(user)
        await self.accept()
        self._tasks = [asyncio.create_task(self._send_frames()), asyncio.create_task(self._beat())]
        self._hub.add(self)
        self.push({"t": "hello", "at": int(time.time() * 1000)})

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        if self._hub:
            self._hub.remove(self)
            _sockets_of[self.user_id] -= 1
            if not _sockets_of[self.user_id]:
                del _sockets_of[self.user_id]

    # ── from the browser ──

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        topics = _topics_in(text_data)
        if topics is None:
            await self.close(code=4400)
            return
        self._asked = topics
        await self._subscribe()

    async def _subscribe(self) -> None:
        """Check the wish against the rights and say which topics are heard from now on."""
        allowed = await database_sync_to_async(_allowed)(self.user_id, self._asked)
        if self._hub:
            self._hub.subscribe(self, allowed)
            self.push({"t": "subscribed", "n": len(allowed)})

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
        self._tasks.append(asyncio.create_task(self._refresh_rights()))

    def dismiss(self, why: str) -> None:
        self._tasks.append(asyncio.create_task(self._say_goodbye(why)))

    # ── tasks ──

    async def _send_frames(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._frames:
                await self.send(text_data=self._frames.popleft())

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
        user = await database_sync_to_async(_still_here)(self.user_id, self.session_key)
        if user is None:
            await self._say_goodbye("Signed out")
            return
        rights = await database_sync_to_async(Rights.of)(user)
        if rights != self._rights:
            self._rights = rights
            await self._subscribe()
            self.push({"t": "resync"})

    async def _say_goodbye(self, why: str) -> None:
        await self.send(text_data=json.dumps({"t": "bye", "why": why}))
        await self.close(code=4401)


def _topics_in(text: str | None) -> list[str] | None:
    """The topics of {"sub": [...]}, or None for anything else."""
    try:
        wish = json.loads(text or "")
    except ValueError:
        return None
    topics = wish.get("sub") if isinstance(wish, dict) else None
    if not isinstance(topics, list) or len(topics) > _MOST_TOPICS:
        return None
    if not all(isinstance(topic, str) and len(topic) < 64 for topic in topics):
        return None
    return topics


def _allowed(user_id: int, topics: list[str]) -> set[str]:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    return audience.allowed(user, topics) if user else set()


def _still_here(user_id: int, session_key: str) -> User | None:
    """The person, if they are active and the session by which the socket came still exists."""
    from django.contrib.sessions.models import Session

    if not Session.objects.filter(session_key=session_key).exists():
        return None
    return User.objects.filter(pk=user_id, is_active=True).first()
