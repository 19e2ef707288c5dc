"""Storage pools, in short."""

from __future__ import annotations

from dataclasses import dataclass

import libvirt

from virt.xml.read.pool import read_pool_kind


@dataclass(frozen=True, slots=True)
class PoolBrief:
    """A pool. Sizes are as of libvirt's last look at it, 0 while it is not active; `kind` is "dir", "logical" …"""

    name: str
    uuid: str
    kind: str
    active: bool
    autostart: bool
    capacity_bytes: int
    allocation_bytes: int
    available_bytes: int


def briefs(raw: libvirt.virConnect) -> list[PoolBrief]:
    """All pools, by name. A pool that goes away meanwhile is left out; [] where there is no storage driver."""
    try:
        pools = raw.listAllStoragePools(0)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return []
        raise
    found = [brief for pool in pools if (brief := _brief(pool))]
    return sorted(found, key=lambda brief: brief.name)


def _brief(pool: libvirt.virStoragePool) -> PoolBrief | None:
    try:
        state, capacity, allocation, available = pool.info()
        return PoolBrief(
            name=pool.name(),
            uuid=pool.UUIDString(),
            kind=read_pool_kind(pool.XMLDesc(0)),
            active=state != libvirt.VIR_STORAGE_POOL_INACTIVE,
            autostart=bool(pool.autostart()),
            capacity_bytes=capacity,
            allocation_bytes=allocation,
            available_bytes=available,
        )
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL:
            return None
        raise
