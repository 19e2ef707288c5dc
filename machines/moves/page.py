"""The page on which one machine's move is put together: where to, with what on the way, and what is against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from machines.migration import actions as migration
from machines.migration.checks.facts import Case, Drive, Finding, Guest, Place, Shelf, Store, Way
from machines.migration.checks.rules import judge
from machines.migration.models import Move
from machines.migration.options import LONGEST_DOWNTIME_MS, MOST_BANDWIDTH_MIB, MOST_PARALLEL, Options
from machines.models import Machine
from machines.moves import access, actions, planning

_SWITCHES = ("live", "post_copy", "auto_converge", "tls", "tunnelled")
_NUMBERS = ("parallel", "bandwidth_mib", "max_downtime_ms")
_DISK = "disk_"


def _number(usual: Any) -> forms.NumberInput:
    """What an empty field means stands in it."""
    return forms.NumberInput(attrs={"placeholder": usual})


class MoveForm(forms.Form):
    """`disk_<target>`: the pool that a disk is copied to, "" to use it where it lies. Also read from an address."""

    live = forms.BooleanField(label=_("The guest runs on while its memory is copied"), required=False)
    auto_converge = forms.BooleanField(label=_("Slow the guest down if its memory changes faster than it goes over"), required=False)
    post_copy = forms.BooleanField(label=_("Go over after the first round, the rest of the memory follows: ends for sure, no way back then"), required=False)
    parallel = forms.IntegerField(label=_("Connections at once"), required=False, min_value=0, max_value=MOST_PARALLEL, widget=_number(_("one")))
    tls = forms.BooleanField(label=_("Encrypted by the hosts’ QEMUs, which need certificates"), required=False)
    tunnelled = forms.BooleanField(label=_("Through the hosts’ libvirt connection, where no other port is open"), required=False)
    bandwidth_mib = forms.IntegerField(label=_("At most, MiB/s"), required=False, min_value=0, max_value=MOST_BANDWIDTH_MIB, widget=_number(_("no limit")))
    max_downtime_ms = forms.IntegerField(
        label=_("Longest pause, ms"), required=False, min_value=0, max_value=LONGEST_DOWNTIME_MS, widget=_number(_("as the host has it"))
    )

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data if "form" in data else None, initial={"live": True})  # a tick that is missing was taken away, or not asked for yet
        self.sent = data

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and (problem := self._options(cleaned, {}).problem):
            raise forms.ValidationError(problem)
        return cleaned

    def options(self, copies: dict[str, str]) -> Options:
        """With disks to be copied as the page understood them."""
        return self._options(getattr(self, "cleaned_data", {"live": True}), copies)

    def copy_of(self, disk: str) -> str | None:
        """None: nothing was said of it."""
        return self.sent.get(f"{_DISK}{disk}")

    @staticmethod
    def _options(data: dict[str, Any], copies: dict[str, str]) -> Options:
        given: dict[str, Any] = {name: bool(data.get(name)) for name in _SWITCHES} | {name: data.get(name) or 0 for name in _NUMBERS}
        return Options(storage=copies, **given)


@dataclass(frozen=True)
class Target:
    """A host of the list. Percent of its memory."""

    place: Place
    findings: Sequence[Finding]
    now: float
    then: float
    best: bool = False

    @property
    def blocked(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.blocks]

    @property
    def warned(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.warns]

    @property
    def glyph(self) -> str:
        return "down" if self.blocked else "warn" if self.warned else "ok"

    @property
    def words(self) -> str:
        if self.blocked:
            return self.blocked[0].title
        if self.warned:
            return self.warned[0].title
        return str(_("Best fit: most room") if self.best else _("Fits"))


@dataclass(frozen=True)
class DiskChoice:
    """A disk and where it could go. `chosen`: a pool of the target, "" where it lies."""

    drive: Drive
    store: Store
    chosen: str
    pools: Sequence[Shelf]


class MovePage:
    """Of one machine, for one person."""

    def __init__(self, machine: Machine, user: User, data: QueryDict) -> None:
        self.machine, self._user = machine, user
        self.form = MoveForm(data)
        self.form.is_valid()
        self.hosts = [host for host in access.targets(user) if host.pk != machine.host_id]

    @cached_property
    def ground(self) -> Any:
        return actions.ground_of([self.machine], self.hosts)

    @property
    def guest(self) -> Guest:
        found: Guest = self.ground.guests[self.machine.pk]
        return found

    @property
    def refusal(self) -> str:
        """Why it can't be moved anywhere."""
        return migration.refusal(self.machine)

    @cached_property
    def broken(self) -> Move | None:
        """A move of it that broke half-way, to be resumed."""
        return migration.broken_of(self.machine) if self.machine.is_half else None

    @cached_property
    def targets(self) -> list[Target]:
        """Every host, what fits first, the roomiest of these first."""
        found = [self._target(self.ground.places[host.pk]) for host in self.hosts]
        found.sort(key=lambda target: (bool(target.blocked), len(target.blocked), target.then if target.place.memory_bytes else 101, target.place.name))
        if found and not found[0].blocked:
            found[0] = Target(found[0].place, found[0].findings, found[0].now, found[0].then, best=True)
        return found

    @cached_property
    def chosen(self) -> Target | None:
        """As asked for, else the best."""
        named = next((target for target in self.targets if str(target.place.id) == self.form.sent.get("to")), None)
        return named or (self.targets[0] if self.targets else None)

    @cached_property
    def case(self) -> Case | None:
        """With the disks as chosen."""
        if self.chosen is None:
            return None
        case: Case = self.ground.case(self.guest, self.chosen.place.id)
        copies = dict(case.way.copies)
        for drive in self.guest.disks:
            if (said := self.form.copy_of(drive.target)) is not None:
                copies.pop(drive.target, None)
                if said and self.chosen.place.pool(said):
                    copies[drive.target] = said
        changed: Case = self.ground.case(self.guest, self.chosen.place.id, Way(copies))
        return changed

    @cached_property
    def findings(self) -> list[Finding]:
        return judge(self.case) if self.case else []

    @property
    def blockers(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.blocks]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.warns]

    @property
    def fine(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.blocks and not finding.warns]

    @cached_property
    def disks(self) -> list[DiskChoice]:
        if self.case is None:
            return []
        pools = [pool for pool in self.case.target.pools if pool.active]
        return [DiskChoice(drive, self.case.store(drive), self.case.way.copies.get(drive.target, ""), pools) for drive in self.guest.disks]

    @property
    def copied_bytes(self) -> int:
        return sum(choice.drive.size_bytes for choice in self.disks if choice.chosen)

    @property
    def untried(self) -> bool:
        """Whether the way there was never tried, or did not work when it was."""
        return self.case is not None and not self.case.reach.works

    @property
    def can_go(self) -> bool:
        return bool(self.case) and not self.blockers and not self.refusal and not self.form.errors

    @property
    def options(self) -> Options:
        assert self.case is not None
        return self.form.options(dict(self.case.way.copies))

    @property
    def said(self) -> list[str]:
        """The options that differ from the usual ones, in words, for the folded line."""
        options = self.form.options({})
        words = [] if options.live or not self.machine.is_active else [str(_("paused meanwhile"))]
        told = {
            _("slowed down if needed"): options.auto_converge,
            "post-copy": options.post_copy,
            f"{options.parallel} ×": options.parallel,
            "TLS": options.tls,
            _("tunnelled"): options.tunnelled,
            f"≤ {options.bandwidth_mib} MiB/s": options.bandwidth_mib,
            f"≤ {options.max_downtime_ms} ms": options.max_downtime_ms,
        }
        return words + [str(word) for word, on in told.items() if on]

    @property
    def address(self) -> str:
        """The page with the same choices: what is live on it asks for itself there."""
        kept = [(name, value) for name, values in self.form.sent.lists() for value in values if name not in ("csrfmiddlewaretoken", "do")]
        return f"{reverse('moves:one', args=[self.machine.pk])}?{urlencode(kept)}"

    def _target(self, place: Place) -> Target:
        whole = place.memory_bytes or 1
        after = planning.after(place, self.guest, Way(), runs=self.guest.running)
        findings = judge(self.ground.case(self.guest, place.id))
        return Target(place, findings, _percent(whole - place.free_bytes, whole), _percent(whole - after.free_bytes, whole))


def _percent(part: int, whole: int) -> float:
    return max(0.0, min(100.0, 100 * part / whole))
