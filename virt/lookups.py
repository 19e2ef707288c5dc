"""Finding things of a host by what people and definitions call them."""

from __future__ import annotations

from dataclasses import dataclass

import libvirt

from virt.connection import Connection
from virt.errors import WrongState
from virt.translation import answered, translate


@dataclass(frozen=True, slots=True)
class Place:
    """A volume: its pool by uuid and name, its own name."""

    pool: str
    pool_name: str
    name: str


def machine_taken(connection: Connection, name: str) -> bool:
    """Whether a machine of that name is on the host."""
    with translate():
        try:
            connection.raw.lookupByName(name)
        except libvirt.libvirtError as exc:
            if exc.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return False
            raise
        return True


def active_pool(connection: Connection, name: str) -> str:
    """The uuid of the pool of that name. Raises NotFound, or WrongState when it is off."""
    with translate():
        pool = connection.raw.storagePoolLookupByName(name)
        if pool.info()[0] not in (libvirt.VIR_STORAGE_POOL_RUNNING, libvirt.VIR_STORAGE_POOL_DEGRADED):
            raise WrongState(f"The pool {name} is off.")
        return pool.UUIDString()


def volume_at(connection: Connection, path: str) -> Place | None:
    """The volume with that path in one of the active pools, None when it is in none."""
    with translate():
        try:
            volume = connection.raw.storageVolLookupByPath(path)
        except libvirt.libvirtError as exc:
            if answered(exc, (libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_INTERNAL_ERROR)):
                return None
            raise
        pool = volume.storagePoolLookupByVolume()
        return Place(pool.UUIDString(), pool.name(), volume.name())


def has_snapshots(connection: Connection, uuid: str) -> bool:
    with translate():
        return bool(connection.raw.lookupByUUIDString(uuid).listAllSnapshots(0))


def rename_machine(connection: Connection, uuid: str, name: str) -> None:
    """Another name for a machine that is off; its saved image, snapshots and UEFI variables are libvirt's to carry along, or to refuse."""
    with translate():
        connection.raw.lookupByUUIDString(uuid).rename(name, 0)
