"""Comparing what a host shows of its networks and leases with their rows; then few writes. The watcher alone comes here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from hosts.networks.models import Lease, Network
from live import facts
from virt import addressing
from virt import networks as virt_networks
from virt.connection import Connection
from virt.errors import Invalid
from virt.networks import LeaseSeen, NetworkSeen
from virt.xml import tree
from virt.xml.edit import network as editing
from virt.xml.read.network import NetworkAddress

logger = logging.getLogger(__name__)

GONE_KEPT = timedelta(days=30)
_AT_ONCE = 500
_LISTED = frozenset({"name", "mode", "active", "autostart", "bridge", "addresses", "gone_at"})


def read(connection: Connection) -> tuple[NetworkSeen, ...]:
    """For the study: frozen values that compare by content."""
    return virt_networks.list_all(connection)


def read_leases(connection: Connection) -> tuple[LeaseSeen, ...]:
    return virt_networks.list_leases(connection)


# ── networks ──


def columns(seen: NetworkSeen) -> dict[str, Any]:
    """What the row should say. Raises Invalid for XML that can't be read."""
    found = seen.definition
    return {
        "name": seen.name[:255],
        "mode": found.mode[:16],
        "active": seen.active,
        "autostart": seen.autostart,
        "persistent": seen.persistent,
        "bridge": found.bridge[:255],
        "devices": list(found.devices),
        "addresses": [_address(address) for address in found.addresses],
        "domain": found.domain[:255],
        "vlan": ", ".join(map(str, found.vlan))[:255],
        "portgroups": list(found.portgroups),
        "xml": seen.xml,
        "live_xml": _differing(seen),
        "digest": seen.digest,
    }


def store(host_id: int, seen: Sequence[NetworkSeen]) -> None:
    """In the writer's transaction."""
    now = timezone.now()
    rows = {network.uuid: network for network in Network.objects.filter(host_id=host_id)}
    touched: dict[int, set[str]] = {}
    for each in seen:
        row = rows.pop(each.uuid[:36], None)
        try:
            wanted = columns(each)
        except Invalid as exc:
            logger.warning("host=%s network=%s can't be read: %s %s", host_id, each.name, exc, exc.detail)
            continue
        row, changed = _store(host_id, row, each, wanted)
        if changed:
            touched[row.pk] = changed
    for row in rows.values():
        if row.gone_at is None:
            Network.objects.filter(pk=row.pk).update(gone_at=now, active=False, live_xml="")
            touched[row.pk] = {"gone_at"}
        elif row.gone_at < now - GONE_KEPT:
            row.delete()
    _tell(host_id, touched)


def _store(host_id: int, row: Network | None, seen: NetworkSeen, wanted: dict[str, Any]) -> tuple[Network, set[str]]:
    if row is None:
        return Network.objects.create(host_id=host_id, uuid=seen.uuid[:36], **wanted), {"name"}
    wanted["gone_at"] = None
    changed = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if changed:
        Network.objects.filter(pk=row.pk).update(**changed)
    return row, set(changed)


def _tell(host_id: int, touched: dict[int, set[str]]) -> None:
    """Lists hear only of what they show."""
    if touched:
        listed = any(_LISTED & changed for changed in touched.values())
        lists = ["networks", f"host:{host_id}"] if listed else []
        facts.publish([*(f"network:{pk}" for pk in touched), *lists], "networks", host_id=host_id)


def _differing(seen: NetworkSeen) -> str:
    """The running definition, when something that we know of waits for the next start."""
    if not seen.live_xml or not seen.persistent or seen.live_xml == seen.xml:
        return ""
    return seen.live_xml if editing.pending(tree.parse(seen.live_xml, "network"), tree.parse(seen.xml, "network")) else ""


def _address(address: NetworkAddress) -> dict[str, Any]:
    network = addressing.network_of(address.address, address.prefix)
    return {
        "family": address.family,
        "address": address.address,
        "prefix": address.prefix,
        "network": str(network) if network else "",
        "dhcp": address.has_dhcp,
    }


# ── leases ──


def store_leases(host_id: int, seen: Sequence[LeaseSeen]) -> None:
    """In the writer's transaction."""
    rows = {row.key: row for row in Lease.objects.filter(host_id=host_id)}
    added: list[Lease] = []
    changed: list[Lease] = []
    touched: set[str] = set()
    for each in seen:
        wanted = _lease_columns(each)
        key = (each.network[:36], each.ip[:45])
        row = rows.pop(key, None)
        if row is None:
            added.append(Lease(host_id=host_id, network_uuid=key[0], ip=key[1], **wanted))
            touched.add(key[0])
        elif _apply(row, wanted):
            changed.append(row)
            touched.add(key[0])
    touched.update(row.network_uuid for row in rows.values())
    for gone in _chunks([row.pk for row in rows.values()]):
        Lease.objects.filter(pk__in=gone).delete()
    Lease.objects.bulk_create(added, batch_size=_AT_ONCE, ignore_conflicts=True)
    if changed:
        Lease.objects.bulk_update(changed, list(_LEASE_COLUMNS), batch_size=_AT_ONCE)
    if touched:
        pks = Network.objects.filter(host_id=host_id, uuid__in=touched).values_list("pk", flat=True)
        facts.publish([f"network:{pk}" for pk in pks], "leases", host_id=host_id)


_LEASE_COLUMNS = ("prefix", "mac", "name", "client", "expires_at")


def _lease_columns(seen: LeaseSeen) -> dict[str, Any]:
    return {
        "prefix": min(max(seen.prefix, 0), 128),
        "mac": seen.mac[:17],
        "name": seen.name[:255],
        "client": seen.client[:400],
        "expires_at": _moment(seen.expires),
    }


def _apply(row: Lease, wanted: dict[str, Any]) -> bool:
    differs = any(getattr(row, name) != value for name, value in wanted.items())
    for name, value in wanted.items():
        setattr(row, name, value)
    return differs


def _moment(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (OverflowError, ValueError, OSError):
        return None


def _chunks(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
