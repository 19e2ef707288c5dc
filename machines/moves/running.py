"""A round, as a worker does it: ask for the next step of each machine, give the worker back, look again when one has ended.

What is planned stands in rows, and a step is asked for in the transaction that notes it: whoever dies in between, nothing is
lost and nothing asked for twice. Each step is a job of its own, with its own lanes, progress and end.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from hosts import access as host_access
from jobs import family
from jobs import submit as jobs
from jobs.models import Job
from jobs.models import State as JobState
from jobs.registry import Result
from jobs.submit import Refused, announce
from jobs.work import Cancelled, Work
from machines import access, power
from machines import actions as machine_actions
from machines.migration import actions as migration
from machines.migration.options import Options
from machines.moves.models import OPEN, Part, Round, State
from machines.moves.planning import Deed
from virt.errors import OperationFailed

START = "start"
STEPS: dict[str, tuple[str, ...]] = {
    Deed.MOVE: ("move",),
    Deed.COLD: ("shutdown", "move", "start"),
    Deed.SHUT_DOWN: ("shutdown",),
    START: ("start",),
}
# Another job may be at a machine when its turn comes; so long that is waited for.
PATIENCE = timedelta(hours=1)
_MOST_NAMED = 10


def run(work: Work) -> Result:
    """Look at all machines of the round; end when none is left to be done."""
    found = Round.objects.get(job_id=work.job.pk)
    if not work.resumed:
        work.phase(f"{found.parts.filter(state__in=OPEN).count()} machines to go", 0)
    stops = work.cancelled() or bool(found.stopped_by)
    for part in found.parts.filter(state__in=OPEN).select_related("machine__host", "origin", "target", "job"):
        _Step(work, part, stops=stops).go_on()
    todo = found.parts.filter(state__in=OPEN).count()
    if todo:
        announce(work.job, "progress")  # pages that show the round hear that it went on
        family.wait(work, todo=todo, of=found.parts.exclude(state=State.LEFT).count())
    return _sum_up(work, found)


class _Step:
    """The next step of one machine."""

    def __init__(self, work: Work, part: Part, *, stops: bool) -> None:
        self.work, self.part, self.stops = work, part, stops
        self.machine = part.machine

    def go_on(self) -> None:
        job = self.part.job
        if job is not None:
            if job.is_active:
                return
            if job.state != JobState.DONE:
                self._end(*_END_OF[JobState(job.state)], job)
                return
            self.part.at, self.part.job = self.part.at + 1, None
        steps = STEPS[self.part.deed]
        while self.part.at < len(steps) and not self._is_needed(steps[self.part.at]):
            self.part.at += 1
        if self.part.at >= len(steps):
            self._end(State.DONE)
        elif self.stops:
            self._end(State.STOPPED, "" if self.part.at == 0 else f"Stopped before: {_WORDS[steps[self.part.at]]}.")
        elif why := self._overtaken():
            self._end(State.FAILED, why)
        else:
            self._ask(steps[self.part.at])

    def _is_needed(self, step: str) -> bool:
        if step == "move":
            return self.machine.host_id != self.part.target_id
        return self.machine.is_active == (step == "shutdown")

    def _overtaken(self) -> str:
        """What happened to the machine meanwhile, so that the plan does not hold any more."""
        if self.machine.gone_at:
            return f"It is not on {self.machine.host.name} any more."
        if self.machine.host_id not in (self.part.origin_id, self.part.target_id):
            return f"It was moved to {self.machine.host.name} by somebody else."
        return ""

    def _ask(self, step: str) -> None:
        """One transaction for the job and for the note of it."""
        if step == "start" and self.part.at and self.machine.host_id != self.part.target_id:
            return  # it was moved just now, and its row follows in a moment
        try:
            with transaction.atomic():
                self.part.job = self._submit(step)
                self.part.state, self.part.words = State.DOING, ""
                self.part.save()
        except Refused as exc:
            self.part.job = None
            held = jobs.active_for("machine", self.machine.pk) is not None
            if held and timezone.now() - self.part.round.created_at < PATIENCE:
                self.part.words = str(exc)
                self.part.save()
            else:
                self._end(State.FAILED, str(exc))

    def _submit(self, step: str) -> Job:
        """The rights are those of now, not of when the round was asked for."""
        person, machine = self.work.job.asked_by, self.machine
        if not person or not access.may(person, machine, Role.MANAGER):
            raise Refused(f"{machine.name}: {self.work.job.asked_by_name} is not its manager any more.")
        if step == "move":
            return self._move(person)
        verb = power.VERBS[step]
        if why := machine_actions.refusal(verb, machine):
            raise Refused(f"{machine.name}: {why}")
        return jobs.submit(verb.kind, machine.subject, asked_by=person, parent=self.work.job)

    def _move(self, person: User) -> Job:
        target = self.part.target
        if target is None or not host_access.may(person, target, Role.MANAGER):
            raise Refused(f"{self.machine.name}: {person.username} may not put machines there any more.")
        if target.in_maintenance:
            raise Refused(f"{self.machine.name}: {target.name} is in maintenance.")
        return migration.move(person, self.machine, target, Options(storage=self.part.copies), parent=self.work.job)

    def _end(self, state: State, words: str = "", job: Job | None = None) -> None:
        self.part.state, self.part.words, self.part.job = state, words or (job.error if job else ""), job
        self.part.save()
        if state != State.DONE:
            self.work.log(f"{self.part.name}: {State(state).label.lower()}. {self.part.words}".strip())


# How a machine's job ended → how its part did, with words where the job has none.
_END_OF: dict[JobState, tuple[State, str]] = {
    JobState.FAILED: (State.FAILED, ""),
    JobState.INTERRUPTED: (State.FAILED, ""),
    JobState.CANCELLED: (State.STOPPED, "Cancelled."),
}
_WORDS = {"move": "moving it", "start": "starting it again", "shutdown": "shutting it down"}


def _sum_up(work: Work, found: Round) -> Result:
    tally = Counter(dict(_by_state(found)))
    result = {state: tally[state] for state in (State.DONE, State.FAILED, State.STOPPED, State.LEFT) if tally[state]}
    work.log(", ".join(f"{State(state).label.lower()}: {count}" for state, count in result.items()) + ".")
    if work.cancelled():
        raise Cancelled
    failed = list(found.parts.filter(state=State.FAILED).values_list("name", "words")[:_MOST_NAMED])
    if failed:
        more = f" And {tally[State.FAILED] - len(failed)} more." if tally[State.FAILED] > len(failed) else ""
        words = " ".join(f"{name}: {words}" for name, words in failed)
        raise OperationFailed(f"{tally[State.FAILED]} of {tally.total() - tally[State.LEFT]} could not be done. {words}{more}")
    return {str(state): count for state, count in result.items()}


def _by_state(found: Round) -> list[tuple[str, int]]:
    return list(found.parts.order_by().values_list("state").annotate(Count("pk")))
