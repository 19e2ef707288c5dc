"""Progress of libvirt's own migration, while a call waits for it or after the worker that called died."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError
from django.db import connection as database

from hosts.connections import another_to
from machines.migration.hosting import Hosted, facts, is_on
from virt import machine as virt_machine
from virt import migration
from virt.connection import Connection
from virt.errors import VirtError
from virt.migration import Stats

Seconds = float

LOOK_SECONDS: Seconds = 0.5
PREPARING = "Preparing the target"
_ROUNDS_BEFORE_POST_COPY = 2
_USUAL_DOWNTIME_MS = 300  # QEMU's own
_NO_LIMIT_MIB = 8_796_093_022_207  # the most that libvirt takes: 2^63 bytes a second


class Progress:
    """What is said of a move: its phase as it changes, and figures twice a second."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted
        self._said = PREPARING
        self._limits: dict[str, int] = {"max_downtime_ms": 0, "bandwidth_mib": hosted.options.bandwidth_mib}
        self._disk_seen: tuple[Seconds, int] | None = None
        row = hosted.row
        self._memory = row.memory_bytes if row else 0
        self.post_copy = False
        self._refused = False

    def look(self, connection: Connection) -> Stats | None:
        """One look at the source; None when libvirt does not work on it."""
        stats = migration.running(connection, self._hosted.uuid)
        if stats is None:
            if self.post_copy and self._is_dead(connection):
                self._say(f"It ended on {self._hosted.source_host.name} before all of its memory had gone over: it can't go on. Cancel ends it.")
            return None
        self._keep_limits(connection)
        self._may_go_over(connection, stats)
        self._say(_phase(stats, post_copy=self.post_copy))
        rate = stats.memory_bps or self._disk_rate(stats)
        # libvirt says how much memory there is only when its turn has come.
        memory_left, memory_total = (stats.memory_left, stats.memory_total) if stats.memory_total else (self._memory, self._memory)
        left, whole = memory_left + stats.disk_left, memory_total + stats.disk_total
        self._hosted.work.progress(
            100 * (1 - left / whole) if whole else 0.0,
            left_seconds=int(left / (rate - stats.dirty_bps)) if rate > stats.dirty_bps else None,
            bytes_per_second=rate,
            memory_left=memory_left,
            memory_total=memory_total,
            disk_left=stats.disk_left,
            disk_total=stats.disk_total,
            dirty_bps=stats.dirty_bps,
            iteration=stats.iteration,
            **facts(downtime_ms=stats.downtime_ms, throttle_percent=stats.throttle_percent or None),
        )
        return stats

    def stop(self, connection: Connection) -> None:
        """The person asked for it. Once the guest has gone over there is no way back, and that is said."""
        if self.post_copy and self._is_dead(connection):
            # libvirt's target (seen with 9.0) waits for the rest for ever, and holds the machine.
            virt_machine.force_off(self._hosted.target, self._hosted.uuid)
            return
        if self.post_copy:
            if not self._refused:
                self._refused = True
                self._hosted.work.log("It can't be stopped any more: the guest runs on the target already, and its memory follows.")
            return
        virt_machine.abort_job(connection, self._hosted.uuid)

    def _is_dead(self, connection: Connection) -> bool:
        """Its QEMU on the source has ended, and with it the memory that was there still."""
        seen = virt_machine.read(connection, self._hosted.uuid)
        return seen is not None and not is_on(seen) and seen.reason != "migrated"

    def _keep_limits(self, connection: Connection) -> None:
        """The longest downtime is taken only once it runs; both may be changed meanwhile."""
        options = self._hosted.options
        wanted = {"max_downtime_ms": options.max_downtime_ms, "bandwidth_mib": options.bandwidth_mib} | self._hosted.limits()
        before, self._limits = self._limits, wanted
        if wanted["max_downtime_ms"] != before["max_downtime_ms"]:
            migration.set_max_downtime(connection, self._hosted.uuid, wanted["max_downtime_ms"] or _USUAL_DOWNTIME_MS)
        if wanted["bandwidth_mib"] != before["bandwidth_mib"]:
            migration.set_bandwidth(connection, self._hosted.uuid, wanted["bandwidth_mib"] or _NO_LIMIT_MIB, post_copy=self.post_copy)

    def _may_go_over(self, connection: Connection, stats: Stats) -> None:
        if not self._hosted.options.post_copy or self.post_copy or stats.iteration < _ROUNDS_BEFORE_POST_COPY:
            return
        self._hosted.record.keep(went_over=True)
        self.post_copy = True  # said before it is asked for: whoever stops it now would lose the guest
        try:
            migration.start_post_copy(connection, self._hosted.uuid)
        except VirtError:
            self.post_copy = False
            self._hosted.record.keep(went_over=False)
            raise
        self._hosted.work.log("The guest goes over now; the rest of its memory follows.")

    def _disk_rate(self, stats: Stats) -> int:
        """Bytes a second since the last look: libvirt does not say."""
        now, before = time.monotonic(), self._disk_seen
        self._disk_seen = (now, stats.disk_left)
        return int((before[1] - stats.disk_left) / (now - before[0])) if before and now > before[0] and before[1] > stats.disk_left else 0

    def _say(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self._hosted.work.phase(words, self._hosted.work.job.progress)


@contextmanager
def followed(hosted: Hosted, *, post_copy: bool = False) -> Iterator[Progress]:
    """Progress over a connection of its own while a call holds the worker's. `post_copy`: the guest has gone over before."""
    over = threading.Event()
    progress = Progress(hosted)
    progress.post_copy = post_copy

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
                except DatabaseError:  # too busy, or away for a moment: without this look nobody could stop the move
                    database.close()
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
    if stats.memory_total:
        return "Copying memory"
    return "Copying disks" if stats.disk_total else PREPARING
