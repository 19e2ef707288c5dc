"""Who may change what of a machine's hardware. Looking needs what looking at the machine needs."""

from __future__ import annotations

from accounts.models import User
from accounts.roles import Role
from machines import access
from machines.models import Machine


def manages_host(user: User, machine: Machine) -> bool:
    """Needed for what reaches into the host (SECURITY: promise 3)."""
    return user.rights.on_host(machine.host_id) >= Role.MANAGER


def to_change(user: User, pk: int) -> Machine:
    return access.get(user, pk, Role.MANAGER)
