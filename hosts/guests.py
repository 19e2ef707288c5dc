"""What the room above knows of a host's machines. Hosts stand below machines and ask through this registry alone.

`machines` registers its answers in AppConfig.ready(); each answer is checked against the rights of the person who asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from accounts.models import User
from hosts.models import Host
from jobs.models import Job


@dataclass(frozen=True)
class Tally:
    """Machines of one host that the person may see, by state (the values of machines.models.State)."""

    by_state: dict[str, int] = field(default_factory=dict)
    vcpus: int = 0  # of those that are on
    memory_bytes: int = 0  # given to those that are on

    @property
    def total(self) -> int:
        return sum(self.by_state.values())

    @property
    def running(self) -> int:
        return self.by_state.get("running", 0)

    @property
    def off(self) -> int:
        return self.by_state.get("off", 0)

    @property
    def crashed(self) -> int:
        return self.by_state.get("crashed", 0)

    @property
    def other(self) -> int:
        return self.total - self.running - self.off - self.crashed


@dataclass(frozen=True)
class Brief:
    """A machine for the tree and for the host's page. Percent of its processors; bytes."""

    pk: int
    name: str
    state: str
    cpu_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_bytes: int = 0
    address: str = ""


class Machines(Protocol):
    """What `machines` answers."""

    def counts(self, user: User, host_ids: Iterable[int] | None = None) -> dict[int, int]:
        """How many machines each host has, for some hosts or all; one without machines is missing."""

    def tallies(self, user: User, host_ids: Iterable[int]) -> dict[int, Tally]:
        """The same with more: by state, and what is given away; a host without machines is missing."""

    def some(self, user: User, host_id: int, most: int) -> list[Brief]:
        """The first machines of a host by name."""

    def busiest(self, user: User, host_id: int, most: int) -> list[Brief]:
        """Those that are on, the most processor time first."""

    def list_url(self, host: Host) -> str:
        """The page that lists the machines of the host."""

    def try_it(self, user: User, host: Host) -> Job:
        """Ask for a first, tiny machine; raises jobs.submit.Refused."""


_answers: list[Machines] = []


def register(answers: Machines) -> None:
    _answers[:] = [answers]


def ask() -> Machines:
    return _answers[0]


def tally(user: User, host_id: int) -> Tally:
    return ask().tallies(user, [host_id]).get(host_id, Tally())
