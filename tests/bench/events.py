"""From an event of libvirt to the push that an open page receives, with many pages open."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
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


class Round:
    """One event, and when it arrived at each socket first."""

    def __init__(self, topic: str, sockets: int) -> None:
        self.topic = topic
        self.arrivals: dict[int, float] = {}
        self._sockets = sockets
        self._complete = asyncio.Event()

    def note(self, socket: int, arrived: float) -> None:
        self.arrivals.setdefault(socket, arrived)
        if len(self.arrivals) == self._sockets:
            self._complete.set()

    async def wait(self) -> None:
        """Until every socket has heard, or it is hopeless."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._complete.wait(), GIVE_UP_SECONDS)


class Listener:
    """One socket, as an open list of machines has it: the list's topic and the rows that it shows."""

    def __init__(self, number: int, socket: ClientConnection) -> None:
        self.round: Round | None = None
        self._number = number
        self._socket = socket

    async def subscribe(self, topics: Sequence[str]) -> None:
        await self._socket.send(json.dumps({"sub": list(topics)}))
        while json.loads(await self._socket.recv())["t"] != "subscribed":
            pass

    async def listen(self) -> None:
        """Note when a fact about the round's machine arrives."""
        async for message in self._socket:
            arrived = time.perf_counter()
            frame: dict[str, Any] = json.loads(message)
            if self.round and frame["t"] == "fact" and self.round.topic in frame["topics"]:
                self.round.note(self._number, arrived)


async def measure(address: str, cookies: Sequence[str], targets: Sequence[Target], *, sockets: int) -> Outcome:
    """Pause and resume machines by libvirt itself, and time the facts at every socket whose page shows the machine."""
    async with AsyncExitStack() as stack:
        listeners = []
        for number in range(sockets):
            cookie = cookies[number % len(cookies)]
            socket = await stack.enter_async_context(
                connect(f"ws://{address}/live/", origin=f"http://{address}", additional_headers={"Cookie": cookie}, compression=None)  # type: ignore[arg-type]
            )
            listeners.append(Listener(number, socket))
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
        this = Round(f"machine:{target.machine_id}", len(listeners))
        for listener in listeners:
            listener.round = this
        caused = await asyncio.to_thread(target.host.toggle, target.uuid)
        await this.wait()
        latencies += [arrived - caused for arrived in this.arrivals.values()]
        missed += len(listeners) - len(this.arrivals)
        await asyncio.sleep(max(0.0, caused + 1 / EVENTS_A_SECOND - time.perf_counter()))
    return Outcome(Spread.of(latencies), missed)
