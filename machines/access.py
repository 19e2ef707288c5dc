"""A look-up is an authorisation: machines are had from here alone."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from accounts.models import User
from accounts.roles import Role
from machines.models import Machine


def visible(user: User, role: Role = Role.VIEWER, *, gone: bool = False) -> QuerySet[Machine]:
    """Machines on which the person has `role`; those that vanished only with `gone`."""
    machines = Machine.objects.all() if gone else Machine.objects.filter(gone_at=None)
    rights = user.rights
    if rights.fleet >= role:
        return machines
    return machines.filter(Q(host_id__in=rights.host_ids(role)) | Q(pk__in=rights.machine_ids(role)))


def get(user: User, pk: int, role: Role = Role.VIEWER) -> Machine:
    """The machine with its host; Http404 when not to be seen, PermissionDenied when seen but not to be touched.

    One that vanished can still be looked at.
    """
    machine = visible(user, gone=True).select_related("host").filter(pk=pk).first()
    if machine is None:
        raise Http404
    if not may(user, machine, role):
        raise PermissionDenied(f"This needs the role {role.label.lower()} on {machine.name}.")
    return machine


def may(user: User, machine: Machine, role: Role) -> bool:
    return user.rights.on_machine(machine.pk, machine.host_id) >= role


def acts_anywhere(user: User) -> bool:
    """Whether there is any machine that the person may operate: else a list needs no boxes to select."""
    rights = user.rights
    return rights.fleet >= Role.OPERATOR or bool(rights.host_ids(Role.OPERATOR) or rights.machine_ids(Role.OPERATOR))


def creates_anywhere(user: User) -> bool:
    """Whether there is any host on which the person may make machines."""
    return user.rights.fleet >= Role.MANAGER or bool(user.rights.host_ids(Role.MANAGER))


def visible_ids(user: User, ids: set[int]) -> set[int]:
    return set(visible(user, gone=True).filter(pk__in=ids).values_list("pk", flat=True))
