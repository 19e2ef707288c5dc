"""What uvicorn tells at start and stop."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any


async def lifespan(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Answer the protocol; once started, what is loaded stays for good and need not be searched for garbage."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            gc.collect()
            gc.freeze()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
