"""A job as its operation sees it: where to report, whether to stop, how to wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone

from jobs import parents
from jobs.models import Job, JobLine, State
from jobs.submit import announce

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_HEARTBEAT_SECONDS = 5.0
_LEAST_SECONDS_BETWEEN_REPORTS = 0.5
_MOST_LINES = 5_000


class Cancelled(Exception):
    """The job was asked to stop and did."""


class Wait(Exception):
    """The host has been asked and will take its time: give the worker back until it says so.

    The operation is called again, with `work.resumed` true, when the subject changes and at each sweep.
    """

    def __init__(self, phase: str, limit: timedelta) -> None:
        super().__init__(phase)
        self.phase, self.limit = phase, limit


class Work:
    """Used as a context manager by the runner: a heartbeat goes on while the operation is inside libvirt.

    Reporting never breaks the work: while the database is away, reports are lost and the work goes on.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.params: dict[str, Any] = job.params
        self.subject_id = job.subject_id
        self.resumed = job.wait_until is not None
        self.expired = job.wait_until is not None and job.wait_until < timezone.now()
        self.begun = False  # from the first phase on, the host may have been changed
        self._stop = threading.Event()
        self._cancel = threading.Event()
        if job.cancel_asked_by:
            self._cancel.set()
        self._on_cancel: Callable[[], None] | None = None
        self._last_report = float("-inf")
        self._lines = 0
        self._beaten = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name=f"job-{job.pk}-heartbeat", daemon=True)

    # ── for the operation ──

    def phase(self, text: str, progress: float | None = None) -> None:
        """Say what is being done now, before it is asked of the host; also a line of the log."""
        self.begun = True
        self.job.phase, self.job.progress = text[:200], progress
        self._report(phase=self.job.phase, progress=progress)
        self.log(text)

    def progress(self, percent: float, **figures: Any) -> None:
        """Report progress, and what the host counts (`left_seconds`, `bytes_per_second` are shown for every kind).

        More often than twice a second is dropped.
        """
        now = time.monotonic()
        if now - self._last_report < _LEAST_SECONDS_BETWEEN_REPORTS and percent < 100:
            return
        self._last_report = now
        self.job.progress = min(100.0, max(0.0, percent))
        if figures:
            self.job.figures = figures
        self._report(progress=self.job.progress, figures=self.job.figures)
        self._tell_parent()
        announce(self.job, "progress")

    def log(self, text: str) -> None:
        """A line for people; what comes after very many is left out."""
        self._lines += 1
        if self._lines > _MOST_LINES:
            return
        try:
            JobLine.objects.create(job=self.job, text=text.replace("\x00", ""))
        except DatabaseError as exc:
            logger.warning("job %s: a line was lost: %s", self.job.pk, exc)
        announce(self.job, "progress")

    def cancelled(self) -> bool:
        return self._cancel.is_set()

    def on_cancel(self, abort: Callable[[], None]) -> None:
        """Call `abort` (from another thread) when the person asks to stop, each second until the operation ends.

        Again and again, because what is to be stopped may not have begun on the host when it is called first.
        """
        self._on_cancel = abort

    # ── for the runner ──

    def __enter__(self) -> Work:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def mine(self) -> Any:
        """The row, only while this delivery holds it: a settled one is not written to by a late worker."""
        return Job.objects.filter(pk=self.job.pk, claim=self.job.claim, state=State.RUNNING)

    def _tell_parent(self) -> None:
        try:
            parents.keep_progress(self.job)
        except DatabaseError as exc:
            logger.warning("job %s: a report was lost: %s", self.job.pk, exc)

    def _report(self, **fields: Any) -> None:
        try:
            self.mine().update(**fields, heartbeat_at=timezone.now())
        except DatabaseError as exc:
            logger.warning("job %s: a report was lost: %s", self.job.pk, exc)

    def _beat(self) -> None:
        """A database that is away for a while must not end the sign of life."""
        try:
            while not self._stop.wait(_LOOK_SECONDS):
                try:
                    self._look()
                except DatabaseError as exc:
                    logger.warning("job %s: no heartbeat: %s", self.job.pk, exc)
                    connection.close()
                self._abort()
        finally:
            connection.close()

    def _look(self) -> None:
        """Once a second: is it to stop? Every few seconds, and when the clock was set: this worker lives."""
        row = self.mine().values_list("cancel_asked_by", "heartbeat_at").first()
        if row is None:
            return
        asked, beaten = row
        jumped = beaten is not None and abs((timezone.now() - beaten).total_seconds()) > 2 * _HEARTBEAT_SECONDS
        if jumped or time.monotonic() - self._beaten >= _HEARTBEAT_SECONDS:
            self.mine().update(heartbeat_at=timezone.now())
            self._beaten = time.monotonic()
        if asked:
            self._cancel.set()

    def _abort(self) -> None:
        if not self._cancel.is_set() or self._on_cancel is None or self._stop.is_set():
            return
        try:
            self._on_cancel()
        except Exception as exc:  # there was nothing to stop yet, or not any more
            logger.info("job %s: stopping it did not work yet: %s", self.job.pk, exc)
