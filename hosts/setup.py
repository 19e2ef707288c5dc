"""This machine's own hypervisor among the hosts, without anybody adding it: for the first start."""

from __future__ import annotations

import re
import socket

from hosts import actions
from hosts.actions import Actor, Draft
from hosts.models import Host, Kind, RemovedLocal
from virt.uri import Endpoint

_ACTOR = Actor(name_without_user="WebVirt")


def ensure_local(endpoint: Endpoint, *, name: str = "", host_uuid: str = "") -> str:
    """Add this machine's daemon unless it is there, under any address, or a person removed it; words of what was done.

    `endpoint` is of the kind local or session and was seen to answer. `host_uuid` as it says of itself, "" if unknown.
    Asked at every start; only the first one does anything.
    """
    there = _already(endpoint, host_uuid)
    if there:
        return f"It is among the hosts as {there.name}."
    if RemovedLocal.objects.filter(kind=endpoint.kind).exists():
        return "Somebody removed it from the hosts, so it stays away; it can be added on the page."
    wanted = name or own_name()
    for attempt in range(1, 10):
        try:
            host = actions.add(Draft(_numbered(wanted, attempt), endpoint), _ACTOR, enable=True)
        except actions.Refused as exc:
            if exc.field != "name":
                return str(exc)
            continue
        return f"Added to the hosts as {host.name}."
    return f"It was not added: the name {wanted} is taken by other hosts."


def own_name() -> str:
    """This machine's name without its domain, as a host may be called."""
    return re.sub(r"[^\w.-]+", "-", socket.gethostname().split(".")[0]).strip("-._")[:56] or "local"


def _already(endpoint: Endpoint, host_uuid: str) -> Host | None:
    same_kind = Host.objects.filter(kind=endpoint.kind).first()
    if same_kind or not host_uuid or endpoint.kind == "session":
        return same_kind
    return Host.objects.filter(host_uuid=host_uuid, driver=endpoint.driver, session=False).exclude(kind=Kind.SESSION).first()


def _numbered(name: str, attempt: int) -> str:
    return name if attempt == 1 else f"{name}-{attempt}"
