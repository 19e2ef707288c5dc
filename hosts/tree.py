"""The side tree: hosts with their machines, drawn on every page, so it reads few columns in two queries."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accounts.models import User
from hosts import access, guests, shown
from hosts.models import Host

MOST_MACHINES = 50


@dataclass(frozen=True)
class Node:
    """A host of the tree. `note` stands instead of the number of machines."""

    pk: int
    name: str
    health: str
    note: str
    machines: int


@dataclass(frozen=True)
class Branch:
    """What stands under a host: its first machines, and how many are left out."""

    host: Host
    machines: list[guests.Brief]
    more: int


def nodes(user: User) -> list[Node]:
    hosts = access.visible(user).only("pk", "name", "state", "last_seen_at", "maintenance_since").order_by("name")
    counts = guests.ask().counts(user)
    return [Node(host.pk, host.name, shown.health(host), shown.seen(host), counts.get(host.pk, 0)) for host in hosts]


def branch(user: User, host: Host) -> Branch:
    machines = guests.ask().some(user, host.pk, MOST_MACHINES)
    if host.is_stale:  # what it last showed is not claimed to be so now
        machines = [replace(machine, state="stale") for machine in machines]
    more = 0 if len(machines) < MOST_MACHINES else guests.ask().counts(user, [host.pk]).get(host.pk, 0) - len(machines)
    return Branch(host, machines, more)
