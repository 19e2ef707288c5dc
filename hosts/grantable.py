"""Hosts as the object of a grant: how `accounts` finds and names them."""

from __future__ import annotations

from django.db.models import Q

from accounts.objects import Finder, Found
from hosts.models import Host


def finder() -> Finder:
    return Finder(_search, _named)


def _search(text: str, most: int) -> list[Found]:
    hosts = Host.objects.filter(Q(name__icontains=text) | Q(hostname__icontains=text) | Q(address__icontains=text))
    return [_found(host) for host in hosts.only("name", "hostname", "address").order_by("name")[:most]]


def _named(ids: set[int]) -> list[Found]:
    return [_found(host) for host in Host.objects.filter(pk__in=ids).only("name", "hostname", "address")]


def _found(host: Host) -> Found:
    return Found(host.pk, host.name, host.hostname or host.address)
