"""Finding the code of a job, in the worker: "machines.start" is `machines.operations.start`.

Imported lazily, so that web code submits jobs without ever importing libvirt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.work import Work

Result = dict[str, Any] | None


class Fate(StrEnum):
    """What the host says of a job whose worker is gone."""

    DONE = "done"  # the effect is there
    NOT_DONE = "not done"  # it is not there, and nothing runs
    STILL_RUNNING = "still running"
    UNKNOWN = "unknown"  # nothing on the host tells, and nothing runs


@dataclass(frozen=True)
class Operation:
    """`run` does it. `settle` asks the host what became of it after its worker died; it must only look.

    `clean` takes away what a run left half made whose worker died, once `settle` said that it was not done.
    """

    run: Callable[[Work], Result]
    settle: Callable[[Work], Fate]
    clean: Callable[[Work], None] | None = None

    def __call__(self, work: Work) -> Result:
        return self.run(work)


def operation(settle: Callable[[Work], Fate], clean: Callable[[Work], None] | None = None) -> Callable[[Callable[[Work], Result]], Operation]:
    """Decorates an operation with the question that settles it."""

    def wrap(run: Callable[[Work], Result]) -> Operation:
        return Operation(run=run, settle=settle, clean=clean)

    return wrap


def find(kind: str) -> Operation:
    """The operation; LookupError for a kind that no app has."""
    app, _, name = kind.rpartition(".")
    found = getattr(import_module(f"{app}.operations"), name, None)
    if not isinstance(found, Operation):
        raise LookupError(f"no operation {kind}")
    return found
