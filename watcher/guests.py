"""When to ask what only guests and networks can tell: soon after a start, when it is new, and then now and then."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import pairwise

Seconds = float

_AFTER_START: tuple[Seconds, ...] = (1.0, 5.0, 10.0, 20.0)
_EVERY: Seconds = 60.0
_SILENT_EVERY: Seconds = 300.0
_LEAST_BETWEEN_WISHES: Seconds = 10.0
_ABOUT_ITSELF_EVERY = 10  # times; its system and name hardly change


@dataclass(frozen=True, slots=True)
class Question:
    """To a machine's agent; `silent`: it did not answer the last one, so it may hold up others."""

    uuid: str
    about_itself: bool
    silent: bool


class Questions:
    """Those that wait for a helper: each machine once, silent ones behind the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Question] = {}

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, question: Question) -> None:
        with self._lock:
            self._waiting.setdefault(question.uuid, question)

    def take(self) -> Question | None:
        """The next one, None when nothing waits."""
        with self._lock:
            uuid = next((uuid for uuid, question in self._waiting.items() if not question.silent), next(iter(self._waiting), ""))
            return self._waiting.pop(uuid, None)


@dataclass
class _Asking:
    """`step`: how often it was asked since the start; `silent`: how often in a row it did not answer."""

    at: Seconds
    step: int = 0
    silent: int = 0
    knows_itself: bool = False
    asked_at: Seconds = float("-inf")


class Guests:
    """Plans the questions to the machines of one host. `now` is monotonic in all calls."""

    def __init__(self) -> None:
        self._agents: dict[str, _Asking] = {}
        self._leases: list[Seconds] = []

    def started(self, uuid: str, now: Seconds) -> None:
        """Ask its agent from the beginning, and the networks for its lease, which comes a few seconds after a start."""
        if uuid in self._agents:
            self._agents[uuid] = _Asking(now + _AFTER_START[0])
        self._leases = [now + after for after in _AFTER_START]

    def answers_agent(self, uuid: str, there: bool, now: Seconds) -> None:
        """Whether somebody in the guest has opened the agent's line."""
        if not there:
            self._agents.pop(uuid, None)
        elif uuid not in self._agents:
            self._agents[uuid] = _Asking(now)

    def wanted(self, uuid: str, now: Seconds) -> None:
        """Somebody looks at its page: ask it about itself, if that was not just done."""
        asking = self._agents.get(uuid)
        if asking and asking.silent == 0 and now - asking.asked_at > _LEAST_BETWEEN_WISHES:
            asking.at, asking.knows_itself = now, False

    def due(self, now: Seconds) -> list[Question]:
        """What is to be asked now."""
        due = []
        for uuid, asking in self._agents.items():
            if asking.at <= now:
                about_itself = not asking.knows_itself or asking.step % _ABOUT_ITSELF_EVERY == 0
                due.append(Question(uuid, about_itself, asking.silent > 0))
                asking.step += 1
                asking.asked_at = now
                asking.at = now + self._pause(asking)
        return due

    def said(self, uuid: str, *, answered: bool, about_itself: bool) -> None:
        """What came of it: one that stays silent is asked more rarely."""
        asking = self._agents.get(uuid)
        if asking:
            asking.silent = 0 if answered else asking.silent + 1
            asking.knows_itself |= about_itself

    def leases_due(self, now: Seconds) -> bool:
        due = any(at <= now for at in self._leases)
        self._leases = [at for at in self._leases if at > now]
        return due

    def next_at(self) -> Seconds:
        """`inf` when there is nothing to ask."""
        return min([*(asking.at for asking in self._agents.values()), *self._leases], default=float("inf"))

    def _pause(self, asking: _Asking) -> Seconds:
        if asking.silent > 2:
            return _SILENT_EVERY
        steps = [after - before for before, after in pairwise(_AFTER_START)]
        return steps[asking.step - 1] if asking.step <= len(steps) else _EVERY
