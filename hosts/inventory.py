"""What a host shows of itself, compared with its row; then one update. The watcher alone comes here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from hosts import alarm, duplicates, log
from hosts.models import Host, State
from virt.errors import HostKeyChanged, HostUnreachable, VirtError
from virt.host import HostInfo
from virt.network import NetworkBrief
from virt.storage import PoolBrief

logger = logging.getLogger(__name__)

_LARGEST = 2**63 - 1
# libvirt's way of saying the same: connections are looked at as a whole, so these columns are compared alone.
FACTS = (
    "host_uuid", "hostname", "hypervisor", "hypervisor_version", "libvirt_version", "arch", "cpu_model", "cpus", "cpu_sockets", "cpu_cores",
    "cpu_threads", "numa_nodes", "memory_bytes", "kvm", "capabilities", "pools", "networks",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """How the connection to a host stands: its state, and why, in words. `offered`: the key line that it shows now, with an alarm."""

    state: str
    error: str = ""
    detail: str = ""
    offered: str = ""


ONLINE = Standing(State.ONLINE)


# ── comparing ──


def standing_of(error: VirtError) -> Standing:
    """What a failure to reach a host makes of it."""
    if isinstance(error, HostKeyChanged):
        return Standing(State.ALARM, alarm.WORDS, error.detail)
    if isinstance(error, HostUnreachable) or error.retry:
        return Standing(State.OFFLINE, str(error), error.detail)
    return Standing(State.REFUSED, str(error), error.detail)


def described(info: HostInfo) -> dict[str, Any]:
    """What hardly ever changes, as columns."""
    return {
        "host_uuid": info.host_uuid[:36],
        "hostname": info.hostname[:255],
        "hypervisor": info.hypervisor[:32],
        "hypervisor_version": info.hypervisor_version[:32],
        "libvirt_version": info.libvirt_version[:32],
        "arch": info.arch[:16],
        "cpu_model": info.cpu_model[:128],
        "cpus": _count(info.cpus),
        "cpu_sockets": _count(info.sockets),
        "cpu_cores": _count(info.cores),
        "cpu_threads": _count(info.threads),
        "numa_nodes": _count(info.numa_nodes),
        "memory_bytes": min(info.memory_bytes, _LARGEST),
        "kvm": info.kvm,
        "capabilities": info.capabilities_xml,
    }


def briefs(pools: Iterable[PoolBrief], networks: Iterable[NetworkBrief]) -> dict[str, Any]:
    """Pools and networks in short, as columns."""
    return {"pools": [asdict(pool) for pool in pools], "networks": [asdict(network) for network in networks]}


def changed(known: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `seen` that the row does not say yet."""
    return {name: value for name, value in seen.items() if known.get(name) != value}


def _count(number: int) -> int:
    return min(max(number, 0), 2**31 - 1)


# ── rows ──


def load(host_id: int) -> dict[str, Any]:
    """What the row says of what a host shows; {} when the row is gone."""
    return Host.objects.filter(pk=host_id).values(*FACTS).first() or {}


def write(host_id: int, fields: Mapping[str, Any]) -> None:
    """Write what a host shows of itself, and note when it is one that is there under another name."""
    if not Host.objects.filter(pk=host_id).update(**fields):
        return
    if fields.get("host_uuid"):
        duplicates.note(Host.objects.defer("capabilities").get(pk=host_id))


def stand(host_id: int, revision: int, standing: Standing, seen_at: datetime | None) -> bool:
    """Write how the connection stands; False when it stood so before, or a person changed the host meanwhile.

    `seen_at`: when the host last answered, if it did since the row was written.
    """
    row = Host.objects.filter(pk=host_id, revision=revision, enabled=True).defer("capabilities", "pools", "networks").first()
    if row is None:
        return False
    if standing.state == State.ALARM:
        return alarm.raise_alarm(row, standing.offered)
    fields: dict[str, Any] = {"error": standing.error, "error_detail": standing.detail}
    if seen_at:
        fields["last_seen_at"] = seen_at
    moved = row.state != standing.state
    if moved:
        fields |= {"state": standing.state, "state_since": timezone.now()}
    elif (row.error, row.error_detail) == (standing.error, standing.detail):
        fields = {"last_seen_at": seen_at} if seen_at else {}
    if not fields or not Host.objects.filter(pk=host_id, revision=revision).update(**fields):
        return False
    if moved:
        _log(row, standing)
    return moved or "error" in fields


def write_averages(host_id: int, seen_at: datetime, latency_ms: float | None, averages: Mapping[str, Any] | None) -> None:
    """The last minute of a host that answers."""
    fields: dict[str, Any] = {"last_seen_at": seen_at, "latency_ms": latency_ms}
    if averages:
        fields |= {"cpu_percent": averages["cpu_percent"], "memory_used_bytes": averages["memory_used"]}
    Host.objects.filter(pk=host_id, state=State.ONLINE).update(**fields)


def _log(host: Host, standing: Standing) -> None:
    if standing.state == State.ONLINE:
        log.write(host, "connected", "Connected.")
    elif host.state == State.ONLINE:
        log.write(host, "lost", f"Lost: {standing.error}")
    else:
        log.write(host, standing.state, standing.error)
