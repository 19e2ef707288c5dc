"""A look-up is an authorisation: pools and volumes are had from here alone. Their rights are those on the host."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from accounts.models import User
from accounts.roles import Role
from hosts.storage.models import Place, Pool, Volume


def visible(user: User, role: Role = Role.VIEWER, *, gone: bool = False) -> QuerySet[Pool]:
    """Pools on whose host the person has `role`; those that vanished only with `gone`."""
    pools = Pool.objects.all() if gone else Pool.objects.filter(gone_at=None)
    rights = user.rights
    if rights.fleet >= role:
        return pools
    return pools.filter(host_id__in=rights.host_ids(role))


def get(user: User, pk: int, role: Role = Role.VIEWER) -> Pool:
    """The pool with its host; Http404 when not to be seen, PermissionDenied when seen but not to be touched."""
    pool = visible(user, gone=True).select_related("host").filter(pk=pk).first()
    if pool is None:
        raise Http404
    if not may(user, pool, role):
        raise PermissionDenied(f"This needs the role {role.label.lower()} on {pool.host.name}.")
    return pool


def volume(user: User, pool_id: int, name: str, role: Role = Role.VIEWER) -> Volume:
    """The volume with its pool and host."""
    pool = get(user, pool_id, role)
    found = pool.volumes.filter(name=name).first()
    if found is None:
        raise Http404
    found.pool = pool
    return found


def volumes(user: User, role: Role = Role.VIEWER) -> QuerySet[Volume]:
    """All volumes on whose host the person has `role`."""
    found = Volume.objects.filter(pool__gone_at=None)
    rights = user.rights
    if rights.fleet >= role:
        return found
    return found.filter(pool__host_id__in=rights.host_ids(role))


def may(user: User, pool: Pool, role: Role) -> bool:
    return user.rights.on_host(pool.host_id) >= role


def visible_ids(user: User, ids: set[int]) -> set[int]:
    return set(visible(user, gone=True).filter(pk__in=ids).values_list("pk", flat=True))


def visible_place_ids(user: User, ids: set[int]) -> set[int]:
    pools = visible(user, gone=True)
    return set(Place.objects.filter(pk__in=ids, pool__in=pools).values_list("pk", flat=True))
