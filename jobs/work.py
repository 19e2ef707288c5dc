"""A job as its operation sees it: where to report, whether to stop, how to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any

from django.db import close_old_connections
from django.utils import timezone

from jobs.models import Job, JobLine, State
from jobs.submit import announce

_HEARTBEAT_SECONDS = 5.0
_LEAST_SECONDS_BETWEEN_REPORTS = 0.5


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
    """Used as a context manager by the runner: a heartbeat goes on while the operation is inside libvirt."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.params: dict[str, Any] = job.params
        self.subject_id = job.subject_id
        self.resumed = job.wait_until is not None
        self.expired = self.resumed and job.wait_until is not None and job.wait_until < timezone.now()
        self._stop = threading.Event()
        self._cancel = threading.Event()
        self._on_cancel: Callable[[], None] | None = None
        self._last_report = 0.0
        self._thread = threading.Thread(target=self._beat, name=f"job-{job.pk}-heartbeat", daemon=True)

    # ── for the operation ──

    def phase(self, text: str, progress: float | None = None) -> None:
        """Say what is being done now; also a line of the log."""
        self.job.phase, self.job.progress = text[:200], progress
        self._mine().update(phase=self.job.phase, progress=progress, heartbeat_at=timezone.now())
        self.log(text)

    def progress(self, percent: float) -> None:
        """Report progress; more often than twice a second is dropped."""
        now = timezone.now().timestamp()
        if now - self._last_report < _LEAST_SECONDS_BETWEEN_REPORTS and percent < 100:
            return
        self._last_report = now
        self._mine().update(progress=percent, heartbeat_at=timezone.now())
        announce(self.job, "progress")

    def log(self, text: str) -> None:
        JobLine.objects.create(job=self.job, text=text)
        announce(self.job, "progress")

    def cancelled(self) -> bool:
        return self._cancel.is_set()

    def on_cancel(self, abort: Callable[[], None]) -> None:
        """Call `abort` (from another thread) when the person asks to stop."""
        self._on_cancel = abort

    # ── for the runner ──

    def __enter__(self) -> Work:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _beat(self) -> None:
        try:
            while not self._stop.wait(1.0 if not self._cancel.is_set() else _HEARTBEAT_SECONDS):
                self._look_for_cancel()
        finally:
            close_old_connections()
            _close_this_threads_connection()

    def _look_for_cancel(self) -> None:
        """Once a second: is it to stop? Every few seconds: say that this worker lives."""
        now = timezone.now()
        row = self._mine().values_list("cancel_asked_by", "heartbeat_at").first()
        if row is None:
            return
        asked, beaten = row
        if beaten is None or (now - beaten).total_seconds() >= _HEARTBEAT_SECONDS:
            self._mine().update(heartbeat_at=now)
        if asked and not self._cancel.is_set():
            self._cancel.set()
            if self._on_cancel:
                self._on_cancel()

    def _mine(self) -> Any:
        """Only while this delivery holds the job: a settled one is not written to by a late worker."""
        return Job.objects.filter(pk=self.job.pk, claim=self.job.claim, state=State.RUNNING)


def _close_this_threads_connection() -> None:
    from django.db import connection

    connection.close()
