"""What kinds of jobs there are, as the web process knows them: names and rules, no code of the operation.

An app declares its kinds in AppConfig.ready(); the operation itself is found lazily, in the worker (jobs/registry.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accounts.models import User
    from jobs.models import Job

_kinds: dict[str, Kind] = {}


@dataclass(frozen=True)
class Kind:
    """`name` "machines.start" is `machines.operations.start`.

    quick: expected to end within seconds (hard limit two minutes); others go to the queue for long work.
    bulk: carries bytes between a browser and a host, or looks on while hosts do: it waits most of the time, so it has a queue whose
        worker is one process with many threads.
    changing: at most one at a time for a subject.
    cancellable: stops when asked while it runs; every job can be cancelled while it is queued or waits.
    stirs: the watcher's studies of the host (watcher/studies.py) that look again once such a job has ended.
    steps: what its page tells step by step, by the job's id: objects with state (ok, failed, asks, runs, waits, skipped),
        title, words, fix and detail.
    again: asks for the same once more on behalf of a person, with the checks of the first time; raises jobs.submit.Refused,
        Http404 or PermissionDenied. None: it is not offered.
    tells: a job's figures in words, while it runs: titles with their values.
    stops: what cancelling one that runs means, for the question before it; "" for the usual words.
    """

    name: str
    title: str
    icon: str
    quick: bool = True
    bulk: bool = False
    changing: bool = True
    cancellable: bool = False
    stirs: tuple[str, ...] = ()
    steps: Callable[[int], list[Any]] | None = None
    again: Callable[[User, Job], Job] | None = None
    stops: Any = ""
    tells: Callable[[dict[str, Any]], list[tuple[Any, str]]] | None = None

    @property
    def queue(self) -> str:
        return "bulk" if self.bulk else "quick" if self.quick else "long"


def declare(*kinds: Kind) -> None:
    for kind in kinds:
        _kinds[kind.name] = kind


def get(name: str) -> Kind:
    """Raises KeyError for a kind that no app declares."""
    return _kinds[name]


def known(name: str) -> Kind:
    """The same for a job of the past, whose kind this version may not have any more."""
    return _kinds.get(name) or Kind(name, title=name, icon="bolt", changing=False)


def of_queue(queue: str) -> list[str]:
    return [kind.name for kind in _kinds.values() if kind.queue == queue]


def every() -> list[Kind]:
    """By title."""
    return sorted(_kinds.values(), key=lambda kind: kind.title)
