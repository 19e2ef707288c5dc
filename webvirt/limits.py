"""How much a request may bring, decided before Django reads a byte: it would write a large body to the disk first."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]

_WORDS = "The request is too large."


class BodyLimit:
    """413 for a body of more than `most_bytes`, announced or not."""

    def __init__(self, application: Application, most_bytes: int) -> None:
        self._application = application
        self._most = most_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif _announced(scope) > self._most:
            await _refuse(scope, send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Message, receive: Receive, send: Send) -> None:
        """To the application a body that grows too large looks like a browser that went away."""
        got, answered = 0, False

        async def receive_some() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            return message if got <= self._most else {"type": "http.disconnect"}

        async def send_on(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        await self._application(scope, receive_some, send_on)
        if got > self._most and not answered:
            await _refuse(scope, send)


def _announced(scope: Message) -> int:
    for name, value in scope.get("headers", []):
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


async def _refuse(scope: Message, send: Send) -> None:
    is_api = scope.get("path", "").startswith("/api/")
    body = json.dumps({"error": _WORDS}).encode() if is_api else _WORDS.encode()
    headers = [(b"content-type", b"application/json" if is_api else b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
