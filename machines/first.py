"""The way from nothing to a first machine, for the empty list and the empty dashboard."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import User
from accounts.roles import Role
from hosts import access
from hosts.models import Host, Kind, State
from machines.access import creates_anywhere


@dataclass(frozen=True)
class First:
    """How many hosts the person sees, one on which they may try a machine, whether they may add hosts, and make machines."""

    hosts: int
    try_on: Host | None
    adds_hosts: bool
    creates: bool = False

    @classmethod
    def of(cls, user: User) -> First:
        online = access.visible(user, Role.MANAGER).filter(state=State.ONLINE).exclude(kind=Kind.TEST)
        return cls(access.visible(user).count(), online.order_by("name").first(), access.may_administer(user), creates_anywhere(user))
