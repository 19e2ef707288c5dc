"""A look-up is an authorisation: hosts are had from here alone."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from accounts.models import User
from accounts.rights import ADMINISTRATOR
from accounts.roles import Role
from hosts.models import Host


def visible(user: User, role: Role = Role.VIEWER) -> QuerySet[Host]:
    rights = user.rights
    if rights.fleet >= role:
        return Host.objects.all()
    return Host.objects.filter(pk__in=rights.host_ids(role))


def get(user: User, pk: int, role: Role = Role.VIEWER) -> Host:
    """The host; Http404 when it may not be seen, PermissionDenied when seen but not to be touched."""
    host = visible(user).filter(pk=pk).first()
    if host is None:
        raise Http404
    if user.rights.on_host(host.pk) < role:
        raise PermissionDenied(f"This needs the role {role.label.lower()} on {host.name}.")
    return host


def may(user: User, host: Host, role: Role) -> bool:
    return user.rights.on_host(host.pk) >= role


def may_administer(user: User) -> bool:
    """Adding, editing and removing hosts: the portal holds their keys, so administrators alone."""
    return user.rights.fleet >= ADMINISTRATOR


def visible_ids(user: User, ids: set[int]) -> set[int]:
    return set(visible(user).filter(pk__in=ids).values_list("pk", flat=True))
