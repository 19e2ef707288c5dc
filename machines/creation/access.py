"""A look-up is an authorisation. A creation is seen by whoever sees its host; making machines needs the role manager there."""

from __future__ import annotations

from django.http import Http404

from accounts.models import User
from accounts.roles import Role
from hosts import access as host_access
from machines.creation.models import Creation


def get(user: User, pk: int, role: Role = Role.VIEWER) -> Creation:
    found = Creation.objects.select_related("host").filter(pk=pk).first()
    if found is None:
        raise Http404
    host_access.get(user, found.host_id, role)
    return found


def visible_ids(user: User, ids: set[int]) -> set[int]:
    hosts = host_access.visible(user)
    return set(Creation.objects.filter(pk__in=ids, host__in=hosts).values_list("pk", flat=True))
