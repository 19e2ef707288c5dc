"""Progress of libvirt's own migration, while a call waits for it or after the worker that called died."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection as database

from hosts.connections import another_to
from machines.migration.hosting import Hosted, facts
from virt import machine as virt_machine
from virt import migration
from virt.connection import Connection
from virt.errors import VirtError
from virt.migration import Stats

Seconds = float

LOOK_SECONDS: Seconds = 0.5
_ROUNDS_BEFORE_POST_COPY = 2


class Progress:
    """What is said of a move: its phase as it changes, and figures twice a second."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted
        self._said = ""
        self._limited = False
        self.post_copy = False
        self._refused = False

    def look(self, connection: Connection) -> Stats | None:
        """One look at the source; None when libvirt does not work on it."""
        stats = migration.running(connection, self._hosted.uuid)
        if stats is None:
            return None
        self._keep_limits(connection)
        self._may_go_over(connection, stats)
        self._say(_phase(stats, post_copy=self.post_copy))
        self._hosted.work.progress(
            _percent(stats),
            left_seconds=_seconds_left(stats),
            bytes_per_second=stats.memory_bps + stats.disk_bps,
            memory_left=stats.memory_left,
            memory_total=stats.memory_total,
            disk_left=stats.disk_left,
            disk_total=stats.disk_total,
            dirty_bps=stats.dirty_bps,
            iteration=stats.iteration,
            **facts(downtime_ms=stats.downtime_ms, throttle_percent=stats.throttle_percent or None),
        )
        return stats

    def stop(self, connection: Connection) -> None:
        """The person asked for it. Once the guest has gone over there is no way back, and that is said."""
        if self.post_copy:
            if not self._refused:
                self._refused = True
                self._hosted.work.log("It can't be stopped any more: the guest runs on the target already, and its memory follows.")
            return
        virt_machine.abort_job(connection, self._hosted.uuid)

    def _keep_limits(self, connection: Connection) -> None:
        """libvirt takes the longest downtime only once it runs."""
        wanted = self._hosted.options.max_downtime_ms
        if wanted and not self._limited:
            migration.set_max_downtime(connection, self._hosted.uuid, wanted)
            self._limited = True

    def _may_go_over(self, connection: Connection, stats: Stats) -> None:
        if not self._hosted.options.post_copy or self.post_copy or stats.iteration < _ROUNDS_BEFORE_POST_COPY:
            return
        self.post_copy = True  # said before it is asked for: whoever stops it now would lose the guest
        try:
            migration.start_post_copy(connection, self._hosted.uuid)
        except VirtError:
            self.post_copy = False
            raise
        self._hosted.work.log("The guest goes over now; the rest of its memory follows.")

    def _say(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self._hosted.work.phase(words, self._hosted.work.job.progress)


@contextmanager
def followed(hosted: Hosted) -> Iterator[Progress]:
    """Progress over a connection of its own while a call holds the worker's."""
    over = threading.Event()
    progress = Progress(hosted)

    def look() -> None:
        try:
            while not over.is_set():
                try:
                    with another_to(hosted.source_host) as connection:
                        hosted.work.on_cancel(lambda: progress.stop(connection))
                        while not over.wait(LOOK_SECONDS):
                            progress.look(connection)
                except VirtError:
                    over.wait(LOOK_SECONDS)
        finally:
            database.close()

    thread = threading.Thread(target=look, name=f"job-{hosted.work.job.pk}-progress", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        over.set()
        hosted.work.on_cancel(lambda: None)
        thread.join(timeout=5)


def _phase(stats: Stats, *, post_copy: bool) -> str:
    if post_copy:
        return "The guest runs on the target; its memory follows"
    if stats.disk_left and not stats.memory_total:
        return "Copying disks"
    return "Copying memory" if stats.memory_total else "Preparing the target"


def _percent(stats: Stats) -> float:
    whole = stats.memory_total + stats.disk_total
    return 0.0 if not whole else 100 * (1 - (stats.memory_left + stats.disk_left) / whole)


def _seconds_left(stats: Stats) -> int | None:
    """None while the guest changes its memory faster than it goes over."""
    rate = stats.disk_bps if stats.disk_left and not stats.memory_total else stats.memory_bps - stats.dirty_bps
    return int((stats.memory_left + stats.disk_left) / rate) if rate > 0 else None
