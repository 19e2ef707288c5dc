"""Calls to a host that may take their time, done by helper threads: a guest that hangs must not stop its host's events."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor

from virt.connection import Connection
from virt.errors import HostUnreachable, VirtError
from watcher.link import Link

logger = logging.getLogger(__name__)

Seconds = float


class Errands:
    """One connection's. Helpers are shared by all hosts: an idle one is taken, else another is started."""

    def __init__(self, link: Link, helpers: Executor, name: str) -> None:
        self._link = link
        self._helpers = helpers
        self._name = name
        self._lock = threading.Lock()
        self._running: dict[str, list[Seconds]] = {}
        self._stuck: dict[str, Seconds] = {}  # what was said about: when the one that hangs began
        self._said: dict[str, str] = {}

    def send(self, what: str, call: Callable[[Connection], None], *, patience: Seconds = 4.0, most: int = 2) -> bool:
        """Have `call` done, unless the last one of the same kind still runs.

        One that runs for longer than `patience` is stuck: a second helper is sent beside it, up to `most` at a time
        (libvirtd serves five calls of a client at once). Returns whether one was sent.
        """
        now = time.monotonic()
        with self._lock:
            running = self._running.setdefault(what, [])
            if running and (len(running) >= most or now - max(running) < patience):
                return False
            if running and self._stuck.get(what) != running[0]:
                logger.warning("host=%s %s has been waiting for %.0f s; other helpers go on without it", self._name, what, now - running[0])
                self._stuck[what] = running[0]
            running.append(now)
        try:
            self._helpers.submit(self._do, what, call, now)
        except RuntimeError:  # the process is ending
            self._ended(what, now)
            return False
        return True

    def _do(self, what: str, call: Callable[[Connection], None], started: Seconds) -> None:
        try:
            with self._link.use() as connection:
                call(connection)
        except HostUnreachable as exc:
            logger.debug("host=%s %s: %s", self._name, what, exc)  # the host's own thread says it
        except VirtError as exc:
            self._say_once(what, f"{exc} {exc.detail}")
        except Exception:
            logger.exception("host=%s %s failed", self._name, what)
        finally:
            self._ended(what, started)

    def _say_once(self, what: str, words: str) -> None:
        """What a host can't do it can't do each time."""
        if self._said.get(what) != words:
            logger.warning("host=%s %s: %s", self._name, what, words)
            self._said[what] = words

    def _ended(self, what: str, started: Seconds) -> None:
        with self._lock:
            self._running[what].remove(started)
