"""A look-up is an authorisation: what is on its way to a host is had from here alone. Its rights are those on the host."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from accounts.models import User
from accounts.roles import Role
from hosts.storage import access
from hosts.storage.models import Pool
from hosts.storage.transfers.models import Incoming, Source
from jobs.models import ACTIVE
from virt.xml.pools import TAKE_FILES


def get(user: User, pk: UUID, role: Role = Role.MANAGER) -> Incoming:
    """Http404 when its host may not be seen, PermissionDenied when seen but not to be changed."""
    found = Incoming.objects.select_related("place__pool__host", "job").filter(pk=pk, place__pool__in=access.visible(user, gone=True)).first()
    if found is None:
        raise Http404
    if not access.may(user, found.place.pool, role):
        raise PermissionDenied(f"This needs the role {role.label.lower()} on {found.place.pool.host.name}.")
    return found


def visible(user: User) -> QuerySet[Incoming]:
    """All to pools that the person manages, ended ones too."""
    return Incoming.objects.filter(place__pool__in=access.visible(user, Role.MANAGER, gone=True)).select_related("place__pool__host", "job")


def unfinished(user: User, pool: Pool | None = None) -> QuerySet[Incoming]:
    """Uploads that somebody can go on with, in one pool or in all that the person manages."""
    alive = Incoming.objects.filter(ended_at=None, job__state__in=ACTIVE, source=Source.BROWSER)
    found = alive.filter(place__pool__in=access.visible(user, Role.MANAGER)).select_related("place__pool__host", "job")
    return found.filter(place__pool=pool) if pool else found


def pools(user: User) -> QuerySet[Pool]:
    """Where the person may bring a file now."""
    return (
        access.visible(user, Role.MANAGER).filter(state__in=("running", "degraded"), kind__in=TAKE_FILES).select_related("host").order_by("host__name", "name")
    )
