"""A look-up is an authorisation: rounds are had from here alone. Their parts are seen with the rights of their machines."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from accounts.models import User
from accounts.roles import Role
from hosts import access as host_access
from hosts.models import Host
from machines import access as machine_access
from machines.moves.models import Part, Round


def get(user: User, pk: int) -> Round:
    """The round; Http404 for who sees neither its host nor any of its machines."""
    found = Round.objects.select_related("host", "job").filter(pk=pk).first()
    if found is None or not sees(user, found):
        raise Http404
    return found


def get_managed(user: User, pk: int) -> Round:
    """The same for who may stop it; PermissionDenied for who only sees it."""
    found = get(user, pk)
    if not manages(user, found):
        raise PermissionDenied("This needs the role manager on all of it.")
    return found


def sees(user: User, found: Round) -> bool:
    if found.host and host_access.may(user, found.host, Role.VIEWER):
        return True
    return parts(user, found).exists()


def manages(user: User, found: Round) -> bool:
    """Whether the person may stop it: the manager of its host, or of all its machines."""
    if found.host:
        return host_access.may(user, found.host, Role.MANAGER)
    mine = machine_access.visible(user, Role.MANAGER, gone=True)
    return found.parts.exists() and not found.parts.exclude(machine__in=mine).exists()


def parts(user: User, found: Round) -> QuerySet[Part]:
    mine = machine_access.visible(user, gone=True)
    return found.parts.filter(machine__in=mine).select_related("machine__host", "origin", "target", "job")


def targets(user: User) -> QuerySet[Host]:
    """Hosts to which the person may move machines, also those that take none now."""
    return host_access.visible(user, Role.MANAGER).filter(~Q(driver="test")).order_by("name")
