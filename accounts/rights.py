"""What a person may: their grants, read once and asked many times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from accounts.roles import Role, Scope

if TYPE_CHECKING:
    from accounts.models import User

ADMINISTRATOR = 100


@dataclass(frozen=True)
class Rights:
    """Highest role on the fleet, and on single hosts and machines by id; 0 is none.

    An administrator's fleet role is ADMINISTRATOR, above each Role.
    """

    fleet: int = 0
    hosts: dict[int, int] = field(default_factory=dict)
    machines: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, user: User) -> Rights:
        """One query for people with grants, none for administrators; nothing for who is disabled."""
        asks = user.is_active and not user.is_superuser
        return cls.made_of(user, user.grants.values_list("scope", "object_id", "role") if asks else ())

    @classmethod
    def made_of(cls, user: User, grants: Iterable[tuple[str, int, int]]) -> Rights:
        """Of the person's grants (scope, object, role), for who has read those of many people at once."""
        if not user.is_active:
            return cls()
        if user.is_superuser:
            return cls(fleet=ADMINISTRATOR)
        fleet, hosts, machines = 0, {}, {}
        for scope, object_id, role in grants:
            if scope == Scope.FLEET:
                fleet = role
            elif scope == Scope.HOST:
                hosts[object_id] = role
            else:
                machines[object_id] = role
        return cls(fleet, hosts, machines)

    def on_host(self, host_id: int) -> int:
        return max(self.fleet, self.hosts.get(host_id, 0))

    def on_machine(self, machine_id: int, host_id: int) -> int:
        return max(self.on_host(host_id), self.machines.get(machine_id, 0))

    def host_ids(self, role: Role) -> list[int]:
        return [key for key, value in self.hosts.items() if value >= role]

    def machine_ids(self, role: Role) -> list[int]:
        return [key for key, value in self.machines.items() if value >= role]
