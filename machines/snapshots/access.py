"""A look-up is an authorisation: snapshots are had from here alone, with the rights of their machine."""

from __future__ import annotations

from django.http import Http404

from accounts.models import User
from accounts.roles import Role
from machines import access
from machines.snapshots.models import Snapshot


def get(user: User, machine_pk: int, pk: int, role: Role = Role.VIEWER) -> Snapshot:
    """The snapshot with its machine and host; Http404 when not to be seen, PermissionDenied when seen but not to be touched."""
    machine = access.get(user, machine_pk, role)
    found = machine.snapshots.filter(pk=pk).first()
    if found is None:
        raise Http404
    found.machine = machine
    return found
