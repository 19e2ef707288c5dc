"""One host's readiness as a page shows it: what lacks first, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from hosts.models import Host
from hosts.readiness import checks
from hosts.readiness.checks import FINE, MISSING, UNKNOWN, WARNING
from hosts.readiness.fixes import Fix
from hosts.readiness.models import HostReadiness
from virt.facts import HostFacts

# The glyph of a state (live/templatetags/wv.py), the class of its line, its word.
SHAPES = {FINE: "ok", WARNING: "warn", MISSING: "down", UNKNOWN: "unknown"}
CLASSES = {FINE: "is-ok", WARNING: "is-warn", MISSING: "is-block", UNKNOWN: "is-later"}


@dataclass(frozen=True)
class Line:
    name: str
    title: Any
    state: str
    value: Any
    means: Any
    fix: Fix

    @property
    def shape(self) -> str:
        return SHAPES[self.state]

    @property
    def css(self) -> str:
        return CLASSES[self.state]


class Report:
    """What is known of one host; empty until it was looked at."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._row: HostReadiness | None = getattr(host, "readiness", None)

    @cached_property
    def facts(self) -> HostFacts | None:
        return HostFacts.of(self._row.facts) if self._row else None

    @cached_property
    def lines(self) -> list[Line]:
        """What needs somebody first, the rest in the order of the checks."""
        found = checks.findings(self.facts) if self.facts else []
        lines = [Line(check.name, check.title, finding.state, finding.value, finding.means, finding.fix) for check, finding in found]
        return sorted(lines, key=lambda line: checks.STATES.index(line.state))

    @property
    def to_fix(self) -> list[Line]:
        return [line for line in self.lines if line.state in (WARNING, MISSING)]

    @property
    def fine(self) -> list[Line]:
        return [line for line in self.lines if line.state == FINE]

    @property
    def unknown(self) -> list[Line]:
        return [line for line in self.lines if line.state == UNKNOWN]

    @property
    def shape(self) -> str:
        """Of all of it together."""
        return next((SHAPES[state] for state in (MISSING, WARNING) if any(line.state == state for line in self.lines)), "ok")

    @property
    def emulates(self) -> bool:
        """A QEMU host without KVM."""
        return is_emulating(self.host)

    @property
    def read_at(self) -> datetime | None:
        return self._row.read_at if self._row else None

    @property
    def why_not_asked(self) -> str:
        """Why the host's own shell did not tell, "" when it did."""
        return self.facts.why_not_shown if self.facts else ""


def is_emulating(host: Host) -> bool:
    return host.kvm is False and host.hypervisor == "QEMU"


def is_not_ready(host: Host) -> bool:
    """Whether something lacks that machines can't do without."""
    row = getattr(host, "readiness", None)
    return bool(row and row.missing)
