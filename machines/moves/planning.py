"""What goes where, and what can't: a pure function of what is known about machines and hosts.

The largest machine is placed first, each on the host that has the largest share of its memory free afterwards, among those on
which nothing hinders it. What was placed counts when the next one is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from machines.migration.checks.facts import Case, Finding, Guest, Place, Shelf, Way
from machines.migration.checks.rules import judge, size

# (machine, host as it will be) → all that is known of the two
Facts = Callable[[Guest, Place], Case]


class Deed(StrEnum):
    """What is done with a machine. The values are kept in rows."""

    MOVE = "move"  # as it is: running or off
    COLD = "cold"  # shut down, moved, started there
    SHUT_DOWN = "shut-down"  # and left where it is
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of one machine. `target` None: where it fits; `stuck`: what to do when it can't be moved as it is."""

    deed: Deed = Deed.MOVE
    target: int | None = None
    stuck: Deed = Deed.LEAVE


@dataclass(frozen=True, slots=True)
class Planned:
    """One machine of a plan. `target` None: it stays. `why`: what keeps it from being moved, nearest host first, where that was wanted.

    findings   of the chosen target: what one should know
    """

    guest: Guest
    deed: Deed
    target: Place | None = None
    way: Way = field(default_factory=Way)
    findings: tuple[Finding, ...] = ()
    why: str = ""
    fix: str = ""

    @property
    def moves(self) -> bool:
        return self.deed in (Deed.MOVE, Deed.COLD)

    @property
    def is_stuck(self) -> bool:
        """It was to be moved and can't be."""
        return bool(self.why)

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.warns]


@dataclass(frozen=True, slots=True)
class Plan:
    """`before`: the hosts as they are; `after`: as they will be once all of it is done."""

    lines: tuple[Planned, ...]
    before: Mapping[int, Place]
    after: Mapping[int, Place]

    @property
    def moving(self) -> list[Planned]:
        return [line for line in self.lines if line.moves]

    @property
    def stuck(self) -> list[Planned]:
        return [line for line in self.lines if line.is_stuck]

    @property
    def copied_bytes(self) -> int:
        """Of local disks."""
        return sum(drive.size_bytes for line in self.moving for drive in line.guest.disks if drive.target in line.way.copies)


def plan(guests: Iterable[Guest], targets: Sequence[Place], facts: Facts, wishes: Mapping[int, Wish] | None = None) -> Plan:
    """`wishes`: by the machine's id; the usual one for those that are missing. Lines come in the order of the machines' names."""
    before = {place.id: place for place in targets}
    places = dict(before)
    wishes = wishes or {}
    lines = []
    for guest in sorted(guests, key=lambda guest: (not guest.running, -guest.memory_bytes, guest.name, guest.id)):
        line = _line(guest, wishes.get(guest.id, Wish()), places, facts)
        if line.target is not None:
            places[line.target.id] = after(line.target, line.guest, line.way, runs=guest.running)
        lines.append(line)
    return Plan(tuple(sorted(lines, key=lambda line: (line.guest.name, line.guest.id))), before, places)


def after(place: Place, guest: Guest, way: Way, *, runs: bool) -> Place:
    """The host once the machine is there."""
    copied = {pool: sum(drive.size_bytes for drive in guest.disks if way.copies.get(drive.target) == pool) for pool in set(way.copies.values())}
    return replace(
        place,
        free_bytes=place.free_bytes - (guest.memory_bytes if runs else 0),
        pools=tuple(_less(pool, copied.get(pool.name, 0)) for pool in place.pools),
        machines={**place.machines, guest.name: guest.uuid},
    )


def _line(guest: Guest, wish: Wish, places: Mapping[int, Place], facts: Facts) -> Planned:
    if wish.deed == Deed.SHUT_DOWN and not guest.running:
        return Planned(guest, Deed.LEAVE)
    if wish.deed in (Deed.LEAVE, Deed.SHUT_DOWN):
        return Planned(guest, wish.deed)
    choice = [place for place in places.values() if place.id != guest.host_id and wish.target in (None, place.id)]
    line = _placed(guest, wish.deed, choice, facts)
    if not line.is_stuck or wish.stuck == Deed.LEAVE:
        return line
    if wish.stuck == Deed.COLD and guest.running and not guest.busy and wish.deed == Deed.MOVE:
        cold = _placed(guest, Deed.COLD, choice, facts)
        if not cold.is_stuck:
            return replace(cold, why="")
    deed = Deed.SHUT_DOWN if wish.stuck == Deed.SHUT_DOWN and guest.running else Deed.LEAVE
    return replace(line, deed=deed)


def _placed(guest: Guest, deed: Deed, choice: Sequence[Place], facts: Facts) -> Planned:
    as_moved = replace(guest, running=guest.running and deed != Deed.COLD)
    nearest: tuple[int, str, str] | None = None
    for place in sorted(choice, key=lambda place: (-_share_free(place, guest), len(place.machines), place.name)):
        case = facts(as_moved, place)
        findings = judge(case)
        against = [finding for finding in findings if finding.blocks]
        short = _too_full(place, guest)
        if not against and not short:
            return Planned(guest, deed, place, case.way, tuple(findings))
        hindrances = len(against) + bool(short)
        if nearest is None or hindrances < nearest[0]:
            nearest = (hindrances, f"{place.name}: {'. '.join([finding.title for finding in against] or [short])}", against[0].fix if against else "")
    if nearest is None:
        return Planned(guest, Deed.LEAVE, why="There is no other host on which you may put it.")
    return Planned(guest, Deed.LEAVE, why=nearest[1], fix=nearest[2])


def _too_full(place: Place, guest: Guest) -> str:
    """A person may still choose such a host by hand, one machine at a time; a plan does not."""
    if guest.running and place.memory_bytes and guest.memory_bytes > place.free_bytes:
        return f"Only {size(max(0, place.free_bytes))} of memory free there, {size(guest.memory_bytes)} needed"
    return ""


def _share_free(place: Place, guest: Guest) -> float:
    """Afterwards, in percent: less than that is no difference. What is not known comes last."""
    if not place.memory_bytes:
        return -1.0
    return round(100 * (place.free_bytes - (guest.memory_bytes if guest.running else 0)) / place.memory_bytes)


def _less(pool: Shelf, taken: int) -> Shelf:
    return replace(pool, free_bytes=pool.free_bytes - taken) if taken else pool
