"""The one thread that writes what hosts show.

SQLite has one writer anyway; here it takes all that has come together meanwhile into one transaction, so that one event is
written at once and a thousand cost little more. Facts go out after the commit. While the database is away, what waits is
merged: one change a machine, however many there were.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from hosts import leases
from jobs import submit as jobs
from live import facts
from machines import inventory
from machines.inventory import Change, Written

logger = logging.getLogger(__name__)

Seconds = float
T = TypeVar("T")

_MOST_LINES = 50  # of one machine's history that wait for the database
_MOST_ACTIONS = 5_000
_SLOWEST_RETRY: Seconds = 5.0


@dataclass
class Roster:
    """Row ids of a host's machines by uuid. `spoilt`: rows are not what was thought; the host's thread loads them again."""

    ids: dict[str, int] = field(default_factory=dict)
    spoilt: bool = True


@dataclass
class _Pending:
    roster: Roster
    changes: dict[str, Change] = field(default_factory=dict)

    def add(self, change: Change) -> None:
        before = self.changes.get(change.uuid)
        merged = before.then(change) if before else change
        if len(merged.lines) > _MOST_LINES:
            merged = Change(
                merged.uuid, merged.after, merged.fields, merged.lines[-_MOST_LINES:], merged.versions[-_MOST_LINES:], merged.appears, merged.arrival
            )
        self.changes[change.uuid] = merged


@dataclass(frozen=True)
class _Action:
    host_id: int
    run: Callable[[], object]


@dataclass
class _Batch:
    machines: dict[int, _Pending] = field(default_factory=dict)
    actions: list[_Action] = field(default_factory=list)

    @property
    def host_ids(self) -> set[int]:
        return {*self.machines, *(action.host_id for action in self.actions)}


class Stopped(Exception):
    """The writer has ended: there will be no answer."""


class Writer:
    """`me`: the name that holds the leases; what belongs to a host that is not held (any more) is dropped."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._changed = threading.Condition()
        self._machines: dict[int, _Pending] = {}
        self._actions: deque[_Action] = deque(maxlen=_MOST_ACTIONS)
        self._questions: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._busy_since: Seconds | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: Seconds) -> None:
        """Write what waits, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(patience)

    @property
    def is_well(self) -> bool:
        """Whether what is seen gets written: not when the database has been away for some seconds."""
        since = self._busy_since
        return since is None or time.monotonic() - since < 6.0

    # ── from other threads ──

    def change(self, host_id: int, roster: Roster, changes: Iterable[Change]) -> None:
        """Write changes of machines. Returns at once."""
        with self._changed:
            pending = self._machines.setdefault(host_id, _Pending(roster))
            if pending.roster is not roster:  # the host's thread was replaced: what the old one saw does not count
                pending = self._machines[host_id] = _Pending(roster)
            for change in changes:
                pending.add(change)
            self._changed.notify()

    def do(self, host_id: int, action: Callable[[], object]) -> None:
        """Run `action` in a transaction, after the changes given before. Returns at once."""
        with self._changed:
            self._actions.append(_Action(host_id, action))
            self._changed.notify()

    def ask(self, question: Callable[[], T]) -> T:
        """The answer of a database query, after all that was given before was written; waits. Raises Stopped."""
        answer: Future[T] = Future()

        def look() -> None:
            try:
                answer.set_result(question())
            except (OperationalError, InterfaceError):
                raise  # asked again when the database is back
            except BaseException as exc:
                answer.set_exception(exc)

        with self._changed:
            self._questions.append(look)
            self._changed.notify()
        while True:
            try:
                return answer.result(timeout=0.5)
            except TimeoutError:
                if not self._thread.is_alive():
                    raise Stopped from None

    # ── the thread ──

    def _run(self) -> None:
        while True:
            batch, questions = self._take()
            self._busy_since = time.monotonic()
            if batch.host_ids:
                self._persist(partial(self._write, batch), partial(self._salvage, batch))
            for question in questions:
                self._persist(question, lambda: None)
            self._busy_since = None
            with self._changed:
                if self._stopping and not (self._machines or self._actions or self._questions):
                    break
        connection.close()

    def _take(self) -> tuple[_Batch, list[Callable[[], None]]]:
        with self._changed:
            while not (self._machines or self._actions or self._questions or self._stopping):
                self._changed.wait()
            batch = _Batch(self._machines, list(self._actions))
            questions = list(self._questions)
            self._machines = {}
            self._actions.clear()
            self._questions.clear()
            return batch, questions

    def _persist(self, write: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Until the database takes it, or refuses it for good."""
        pause = 0.1
        while True:
            try:
                write()
                return
            except (OperationalError, InterfaceError) as exc:
                logger.warning("the database does not take what hosts show: %s", exc)
                connection.close()
            except Exception:
                logger.exception("what hosts show was not written in one go")
                otherwise()
                return
            if self._stopping:
                return
            time.sleep(pause)
            pause = min(pause * 2, _SLOWEST_RETRY)

    def _write(self, batch: _Batch) -> None:
        with transaction.atomic():
            held = leases.held(self._me, batch.host_ids)
            for host_id, pending in batch.machines.items():
                if host_id in held:
                    self._write_machines(host_id, pending.roster, pending.changes.values())
            for action in batch.actions:
                if action.host_id in held:
                    action.run()

    def _salvage(self, batch: _Batch) -> None:
        """Each piece by itself: what can't be written must not keep the rest."""
        for host_id, pending in batch.machines.items():
            for change in pending.changes.values():
                self._try(_Batch({host_id: _Pending(pending.roster, {change.uuid: change})}), f"host={host_id} machine={change.uuid}", pending.roster)
        for action in batch.actions:
            self._try(_Batch(actions=[action]), f"host={action.host_id}")

    def _try(self, batch: _Batch, what: str, roster: Roster | None = None) -> None:
        try:
            self._write(batch)
        except DatabaseError as exc:
            logger.warning("not written: %s: %s", what, exc)
        except Exception:
            logger.exception("not written: %s", what)
        else:
            return
        if roster:
            roster.spoilt = True

    def _write_machines(self, host_id: int, roster: Roster, changes: Iterable[Change]) -> None:
        written = inventory.write(host_id, changes, roster.ids)
        transaction.on_commit(lambda: _commit(roster, written))
        _tell(host_id, written)
        if written.moved:
            jobs.wake_waiting("machine", written.moved)


def _commit(roster: Roster, written: Written) -> None:
    roster.ids.update(written.ids)
    if written.missing or written.taken:
        roster.spoilt = True


def _tell(host_id: int, written: Written) -> None:
    """Two facts at most, however many machines changed: one that lists hear too, one for the machines' own pages."""
    lists = ["machines", f"host:{host_id}", "fleet"]
    for changed, more in ((written.listed, lists), (written.other, [])):
        if changed:
            words = set(changed.values())
            what = words.pop() if len(words) == 1 else "several"
            facts.publish([*(f"machine:{pk}" for pk in changed), *more], what, host_id=host_id, machine_ids=list(changed))
