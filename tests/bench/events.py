"""From an event of libvirt to the push that an open page receives, with many pages open."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.bench.figures import Spread
from tests.lab.fleet import FleetHost

EVENTS = 120
EVENTS_A_SECOND = 6.0
ROWS_ON_A_PAGE = 50
GIVE_UP_SECONDS = 5.0


@dataclass(frozen=True)
class Target:
    """A running machine that the bench pauses and resumes."""

    host: FleetHost
    uuid: str
    machine_id: int


@dataclass(frozen=True)
class Outcome:
    """``spread`` over every push to every socket; ``missed``: pushes that did not come in time."""

    spread: Spread
    missed: int


class Listener:
    """One socket, as an open list of machines has it: the list's topic and the rows that it shows."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.arrivals: dict[str, float] = {}

    async def subscribe(self, topics: Sequence[str]) -> None:
        await self._socket.send(json.dumps({"sub": list(topics)}))
        while json.loads(await self._socket.recv())["t"] != "subscribed":
            pass

    async def listen(self) -> None:
        """Note when something about a machine arrives first."""
        async for message in self._socket:
            arrived = time.perf_counter()
            frame: dict[str, Any] = json.loads(message)
            if frame["t"] == "fact":
                for topic in frame["topics"]:
                    self.arrivals.setdefault(topic, arrived)


async def measure(address: str, cookies: Sequence[str], targets: Sequence[Target], *, sockets: int) -> Outcome:
    """Pause and resume machines by libvirt itself, and time the facts at every socket whose page shows the machine."""
    async with AsyncExitStack() as stack:
        listeners = []
        for number in range(sockets):
            cookie = cookies[number % len(cookies)]
            socket = await stack.enter_async_context(
                connect(f"ws://{address}/live/", origin=f"http://{address}", additional_headers={"Cookie": cookie}, compression=None)  # type: ignore[arg-type]
            )
            listeners.append(Listener(socket))
        shown = _choose_rows(targets)
        topics = [f"{prefix}machine:{target.machine_id}" for target in shown for prefix in ("", "numbers:")]
        for listener in listeners:
            await listener.subscribe(["machines", "fleet", *topics])
        tasks = [asyncio.create_task(listener.listen()) for listener in listeners]
        try:
            return await _cause_and_collect(listeners, shown)
        finally:
            for task in tasks:
                task.cancel()


def _choose_rows(targets: Sequence[Target]) -> list[Target]:
    """The rows of one page, from as many hosts as there are: the same choice at each run."""
    return random.Random(1).sample(list(targets), min(ROWS_ON_A_PAGE, len(targets)))


async def _cause_and_collect(listeners: list[Listener], shown: list[Target]) -> Outcome:
    latencies: list[float] = []
    missed = 0
    for number in range(EVENTS):
        target = shown[number % len(shown)]
        topic = f"machine:{target.machine_id}"
        for listener in listeners:
            listener.arrivals.pop(topic, None)
        caused = await asyncio.to_thread(target.host.toggle, target.uuid)
        await _wait_for_all(listeners, topic)
        arrivals = [listener.arrivals[topic] for listener in listeners if topic in listener.arrivals]
        latencies += [arrival - caused for arrival in arrivals]
        missed += len(listeners) - len(arrivals)
        await asyncio.sleep(max(0.0, caused + 1 / EVENTS_A_SECOND - time.perf_counter()))
    return Outcome(Spread.of(latencies), missed)


async def _wait_for_all(listeners: list[Listener], topic: str) -> None:
    end = time.perf_counter() + GIVE_UP_SECONDS
    while time.perf_counter() < end and not all(topic in listener.arrivals for listener in listeners):
        await asyncio.sleep(0.005)
