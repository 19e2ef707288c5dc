"""Machines as the object of a grant: how `accounts` finds and names them."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts.objects import Finder, Found
from machines.models import Machine


def finder() -> Finder:
    return Finder(_search, _named)


def _search(text: str, most: int) -> list[Found]:
    wanted = Q(name__icontains=text) | Q(uuid__istartswith=text) | Q(search__icontains=text)
    return _found(Machine.objects.filter(wanted, gone_at=None).order_by("name", "pk")[:most])


def _named(ids: set[int]) -> list[Found]:
    return _found(Machine.objects.filter(pk__in=ids))


def _found(machines: QuerySet[Machine]) -> list[Found]:
    rows = machines.values_list("pk", "name", "host__name")
    return [Found(pk, name, host_name) for pk, name, host_name in rows]
