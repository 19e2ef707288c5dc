"""A look-up is an authorisation: networks are had from here alone. Their rights are those on the host."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from accounts.models import User
from accounts.roles import Role
from hosts.networks.models import Network


def visible(user: User, role: Role = Role.VIEWER, *, gone: bool = False) -> QuerySet[Network]:
    """Networks on whose host the person has `role`; those that vanished only with `gone`."""
    networks = Network.objects.all() if gone else Network.objects.filter(gone_at=None)
    rights = user.rights
    if rights.fleet >= role:
        return networks
    return networks.filter(host_id__in=rights.host_ids(role))


def get(user: User, pk: int, role: Role = Role.VIEWER) -> Network:
    """The network with its host; Http404 when not to be seen, PermissionDenied when seen but not to be touched."""
    network = visible(user, gone=True).select_related("host").filter(pk=pk).first()
    if network is None:
        raise Http404
    if not may(user, network, role):
        raise PermissionDenied(f"This needs the role {role.label.lower()} on {network.host.name}.")
    return network


def may(user: User, network: Network, role: Role) -> bool:
    return user.rights.on_host(network.host_id) >= role


def visible_ids(user: User, ids: set[int]) -> set[int]:
    return set(visible(user, gone=True).filter(pk__in=ids).values_list("pk", flat=True))
