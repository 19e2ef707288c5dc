"""A job as pages show it: what is left, what came of it, what its parameters say, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from jobs import access, kinds, submit
from jobs.models import Job, State
from live.templatetags.wv import bytes_plain, duration

_TONES = {State.DONE: "ok", State.FAILED: "err", State.INTERRUPTED: "err"}
_ICONS = {State.DONE: "circle-check", State.FAILED: "circle-x", State.INTERRUPTED: "alert-triangle", State.CANCELLED: "x"}
# Shapes of the sprite; the words are the job's own.
_GLYPHS = {State.QUEUED: "asleep", State.RUNNING: "moving", State.DONE: "ok", State.FAILED: "crashed", State.INTERRUPTED: "warn", State.CANCELLED: "off"}
_AGAIN = (State.FAILED, State.INTERRUPTED, State.CANCELLED)
_ORDER = {State.RUNNING: 0, State.QUEUED: 1}
_MOST_CHILDREN = 500
_UNTOLD = frozenset({"revision", "uuid", "edits", "xml", "based_on", "secret", "secret_uuid"})  # parameters that only our own code understands
_ESTIMATE_AFTER_SECONDS, _ESTIMATE_AFTER_PERCENT = 3.0, 2.0


@dataclass(frozen=True)
class Shown:
    job: Job
    user: User

    @property
    def tone(self) -> str:
        return _TONES.get(State(self.job.state), "")

    @property
    def icon(self) -> str:
        return _ICONS.get(State(self.job.state), self.job.icon)

    @property
    def glyph(self) -> str:
        return _GLYPHS[State(self.job.state)]

    @property
    def state_words(self) -> str:
        if self.job.is_active and self.job.cancel_asked_by:
            return _("Stopping")
        if self.job.state == State.RUNNING and self.job.wait_until:
            return _("Waiting")
        return {
            State.QUEUED: _("Queued"),
            State.RUNNING: _("Running"),
            State.DONE: _("Done"),
            State.FAILED: _("Failed"),
            State.CANCELLED: _("Cancelled"),
            State.INTERRUPTED: _("Interrupted"),
        }[State(self.job.state)]

    @property
    def shows_progress(self) -> bool:
        """A bar; without a number it only moves."""
        return self.job.state == State.RUNNING and (self.job.progress is not None or not self.job.phase)

    @property
    def words(self) -> str:
        """In a word or a line: what it is at, or what came of it."""
        job = self.job
        if job.is_active:
            return job.phase or self.state_words
        if job.state == State.DONE:
            return _("Done in %(time)s") % {"time": duration(self.seconds)}
        if job.state == State.CANCELLED:
            return _("Cancelled by %(name)s") % {"name": job.cancel_asked_by} if job.cancel_asked_by else _("Cancelled")
        return job.error or self.state_words

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far."""
        if self.job.started_at is None:
            return None
        return max(0.0, ((self.job.finished_at or timezone.now()) - self.job.started_at).total_seconds())

    @property
    def left(self) -> str:
        """An estimate from what is done so far; "" where there is nothing to tell it from."""
        told = self.job.figures.get("left_seconds")
        if told is not None and self.job.state == State.RUNNING:
            return _("about %(time)s left") % {"time": duration(told)}
        seconds, percent = self.seconds, self.job.progress
        if self.job.state != State.RUNNING or not seconds or not percent:
            return ""
        if seconds < _ESTIMATE_AFTER_SECONDS or not _ESTIMATE_AFTER_PERCENT <= percent < 100:
            return ""
        return _("about %(time)s left") % {"time": duration(seconds * (100 - percent) / percent)}

    @property
    def rate(self) -> str:
        """What the host moves in a second now, "" while it says nothing."""
        told = self.job.figures.get("bytes_per_second")
        return f"{bytes_plain(told)}/s" if told and self.job.state == State.RUNNING else ""

    @property
    def told(self) -> list[tuple[Any, str]]:
        """More of what the host counts, title by title."""
        tells = kinds.known(self.job.kind).tells
        return tells(self.job.figures) if tells and self.job.figures and self.job.state == State.RUNNING else []

    @property
    def can_again(self) -> bool:
        """Whether the same can be asked for once more from here: it has ended, and not well."""
        return self.job.state in _AGAIN and kinds.known(self.job.kind).again is not None and self.may_cancel

    @cached_property
    def children(self) -> list[Shown]:
        """Of a parent, those that the person may see: what runs first, then what is queued, then what has ended."""
        jobs = access.visible(self.user).filter(parent=self.job).order_by("pk")
        found = sorted(jobs[:_MOST_CHILDREN], key=lambda job: (_ORDER.get(State(job.state), 2), job.pk))
        return [Shown(job, self.user) for job in found]

    @cached_property
    def may_cancel(self) -> bool:
        return access.may_cancel(self.user, self.job)

    @property
    def can_cancel(self) -> bool:
        return self.job.can_cancel and self.may_cancel

    @property
    def why_not_cancel(self) -> str:
        """Why there is no cancelling now, for who might."""
        job = self.job
        if not job.is_active:
            return _("It has ended.")
        if not self.may_cancel:
            return _("This needs the role operator on %(name)s.") % {"name": job.subject_name}
        if job.cancel_asked_by:
            return _("%(name)s has asked it to stop.") % {"name": job.cancel_asked_by}
        return "" if job.can_cancel else _("It can't be stopped in the middle; it takes seconds.")

    @property
    def after_cancel(self) -> str:
        """What cancelling now means, for the question before it."""
        job = self.job
        if job.state == State.QUEUED:
            return _("It has not begun. Nothing has been done.")
        if told := kinds.known(job.kind).stops:
            return str(told)
        if kinds.known(job.kind).cancellable:
            return _("It is stopped on the host.")
        if job.wait_until or job.attempts > 1:
            return _("Only the waiting ends: what was asked of the host already is not taken back.")
        return _("Its worker died and the host does not answer: it is given up as interrupted.")

    @property
    def parameters(self) -> Iterator[tuple[str, str]]:
        for name, value in self.job.params.items():
            if name not in _UNTOLD:
                yield name.replace("_", " ").capitalize(), _in_words(value)

    @property
    def steps(self) -> list[Any]:
        """What a job tells step by step, such as the test of a connection."""
        tell = kinds.known(self.job.kind).steps
        return tell(self.job.pk) if tell else []


def stop(shown: Shown) -> str:
    """Cancel the job for the person; why not, or ""."""
    if not shown.can_cancel:
        return shown.why_not_cancel
    if not submit.cancel(shown.job, shown.user.username):
        return Shown(Job.objects.get(pk=shown.job.pk), shown.user).why_not_cancel or _("It ended just now.")
    return ""


def ask_again(user: User, job: Job) -> Job:
    """The same for the person who asks now; raises submit.Refused, or what the kind's own checks raise."""
    again = kinds.known(job.kind).again
    if again is None or not Shown(job, user).can_again:
        raise submit.Refused(_("This can't be asked for again from here."))
    return again(user, job)


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(each)}" for name, each in value.items() if each)
    return ", ".join(map(_in_words, value)) if isinstance(value, list) else str(value)
