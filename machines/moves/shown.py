"""Plans and rounds as pages show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

from accounts.models import User
from hosts.models import Host
from jobs.shown import Shown as ShownJob
from machines.migration.checks.facts import Place
from machines.moves import access
from machines.moves.forms import PlanForm
from machines.moves.models import OPEN, Kind, Part, Round, State
from machines.moves.planning import Deed, Plan, Planned
from machines.moves.running import START

MOST_OFFERED = 20
_GLYPHS = {State.WAITS: "asleep", State.DOING: "moving", State.DONE: "ok", State.FAILED: "crashed", State.STOPPED: "off", State.LEFT: "off"}


@dataclass(frozen=True)
class Choice:
    value: str
    words: str


@dataclass(frozen=True)
class Line:
    """A machine of a plan."""

    planned: Planned
    choice: str
    choices: Sequence[Choice]

    @property
    def words(self) -> str:
        line = self.planned
        if line.deed == Deed.SHUT_DOWN:
            return _("is shut down and stays")
        if line.deed == Deed.LEAVE:
            return _("stays, and runs on") if line.guest.running else _("stays, off")
        if line.deed == Deed.COLD:
            return _("is shut down, moved and started there")
        return _("moves while it runs") if line.guest.running else _("moves, off")

    @property
    def warnings(self) -> list[str]:
        """Without the way to the target: that is said once for all."""
        return [finding.title for finding in self.planned.warnings if finding.at != "reach"]

    @property
    def glyph(self) -> str:
        if self.planned.is_stuck:
            return "warn"
        return "moving" if self.planned.moves else "off"


@dataclass(frozen=True)
class Fill:
    """A host's memory before and after, in percent."""

    name: str
    now: float
    then: float
    arrives: int


@dataclass(frozen=True)
class ShownPlan:
    plan: Plan
    form: PlanForm

    @cached_property
    def lines(self) -> list[Line]:
        """Who can't be moved first: that is what a person has to decide."""
        lines = [Line(line, self.form.choice_of(line.guest.id), self._choices(line)) for line in self.plan.lines]
        return sorted(lines, key=lambda line: not line.planned.is_stuck)

    def _choices(self, line: Planned) -> list[Choice]:
        found = [Choice("", _("As planned"))]
        if len(self.form.targets) <= MOST_OFFERED:
            found += [Choice(f"to-{host.pk}", _("To %(host)s") % {"host": host.name}) for host in self.form.targets]
        if line.guest.running:
            found += [Choice("cold", _("Shut down, move, start")), Choice("shut-down", _("Shut down, leave"))]
        elif self.form.initial.get("off") != "move":
            found.append(Choice("move", _("Move")))
        return [*found, Choice("leave", _("Leave"))]

    @cached_property
    def fills(self) -> list[Fill]:
        """Of the hosts that get some."""
        arrivals = Counter(line.target.id for line in self.plan.moving if line.target)
        return [_fill(place, self.plan.after[place.id], arrivals[place.id]) for place in self.plan.before.values() if arrivals[place.id]]

    @cached_property
    def untried(self) -> dict[int, set[int]]:
        """Source → targets of the plan between which no move was tried yet."""
        found: dict[int, set[int]] = {}
        for line in self.plan.moving:
            if line.target and any(finding.at == "reach" for finding in line.warnings):
                found.setdefault(line.guest.host_id, set()).add(line.target.id)
        return found

    @property
    def untried_names(self) -> list[str]:
        wanted = set().union(*self.untried.values()) if self.untried else set()
        return sorted(place.name for place in self.plan.before.values() if place.id in wanted)

    @property
    def does_something(self) -> bool:
        return any(line.deed != Deed.LEAVE for line in self.plan.lines)

    @property
    def count(self) -> int:
        return len(self.plan.lines)

    @property
    def moving(self) -> int:
        return len(self.plan.moving)

    @property
    def cold(self) -> int:
        return sum(line.deed in (Deed.COLD, Deed.SHUT_DOWN) for line in self.plan.lines)

    @property
    def staying(self) -> int:
        return self.count - self.moving


@dataclass(frozen=True)
class ShownPart:
    part: Part
    job: ShownJob | None

    @property
    def glyph(self) -> str:
        return _GLYPHS[State(self.part.state)]

    @property
    def words(self) -> str:
        part = self.part
        if self.job and part.state == State.DOING:
            return f"{self.job.job.title}: {self.job.words}"
        return part.words or part.get_state_display()

    @property
    def where(self) -> str:
        if self.part.deed == START:
            return _("starts")
        if self.part.deed == Deed.SHUT_DOWN:
            return _("shuts down")
        return self.part.target.name if self.part.target else ""


@dataclass(frozen=True)
class ShownRound:
    """As one person may see it."""

    round: Round
    user: User

    @cached_property
    def parts(self) -> list[ShownPart]:
        """What runs first, then what failed, what waits, what is done and who stays."""
        order = [State.DOING, State.FAILED, State.WAITS, State.STOPPED, State.DONE, State.LEFT]
        found = sorted(access.parts(self.user, self.round), key=lambda part: (order.index(State(part.state)), part.name))
        return [ShownPart(part, ShownJob(part.job, self.user) if part.job else None) for part in found]

    @cached_property
    def job(self) -> ShownJob | None:
        return ShownJob(self.round.job, self.user) if self.round.job else None

    @cached_property
    def tally(self) -> dict[str, int]:
        counted = Counter(shown.part.state for shown in self.parts)
        return {state: counted[state] for state in State.values}

    @property
    def todo(self) -> int:
        return sum(self.tally[state] for state in OPEN)

    @property
    def moving(self) -> int:
        """Of how many it is about."""
        return len(self.parts) - self.tally[State.LEFT]

    @cached_property
    def manages(self) -> bool:
        return access.manages(self.user, self.round)

    @property
    def can_stop(self) -> bool:
        return self.manages and self.round.is_active and not self.round.stopped_by

    @property
    def title(self) -> str:
        host: Host | None = self.round.host
        if self.round.kind == Kind.MAINTENANCE and host:
            return _("Away from %(host)s") % {"host": host.name}
        if host:
            return _("Back to %(host)s") % {"host": host.name}
        return _("Moves of %(n)s machines") % {"n": len(self.parts)}


def _fill(before: Place, then: Place, arrives: int) -> Fill:
    whole = before.memory_bytes or 1
    return Fill(before.name, _percent(whole - before.free_bytes, whole), _percent(whole - then.free_bytes, whole), arrives)


def _percent(part: int, whole: int) -> float:
    return max(0.0, min(100.0, 100 * part / whole))
