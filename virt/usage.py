"""Who on a host uses a volume: machines, their snapshots, other volumes that hold the differences to it. Asked before anything is lost."""

from __future__ import annotations

from dataclasses import dataclass

import libvirt

from virt.connection import Connection
from virt.errors import Invalid
from virt.translation import translate
from virt.volume import Memory, VolumeSeen, see
from virt.xml.read.sources import read_sources


@dataclass(frozen=True, slots=True)
class User:
    """`kind`: "machine", "snapshot" (name "machine/snapshot") or "volume" (name "pool/volume")."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def users_of(connection: Connection, pool_uuid: str, name: str) -> list[User]:
    """Those who use a volume now; raises NotFound when there is no such volume."""
    with translate():
        pool = connection.raw.storagePoolLookupByUUIDString(pool_uuid)
        volume = see(pool.storageVolLookupByName(name))
        mine = _Volume(frozenset({volume.path, volume.key} - {""}), (pool.name(), name))
        return [*_machines(connection.raw, mine), *_layers(connection.raw, mine, volume, pool_uuid)]


def users_of_pool(connection: Connection, pool_uuid: str, *, running: bool) -> list[User]:
    """Machines that use a volume of this pool now, and those whose snapshots do; `running`: only machines that are on.

    What they name by path is asked for one by one: a pool may hold ten thousand volumes, a host has far fewer disks.
    """
    with translate():
        raw = connection.raw
        pool = raw.storagePoolLookupByUUIDString(pool_uuid)
        name, found = pool.name(), []
        for domain in raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE if running else 0):
            try:
                xmls = [domain.XMLDesc(0)] if running else [domain.XMLDesc(0), domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)]
                if any(_touches(raw, xml, name, pool_uuid) for xml in xmls):
                    found.append(User("machine", domain.name()))
                elif not running and any(_touches(raw, each.getXMLDesc(0), name, pool_uuid) for each in _snapshots(domain)):
                    found.append(User("snapshots of", domain.name()))
            except libvirt.libvirtError as exc:
                if exc.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
        return found


def _touches(raw: libvirt.virConnect, xml: str, pool: str, pool_uuid: str) -> bool:
    try:
        sources = read_sources(xml)
    except Invalid:
        return True  # rather refuse too much
    return any(named == pool for named, _ in sources.volumes) or any(_pool_of(raw, path) == pool_uuid for path in sources.paths)


def _pool_of(raw: libvirt.virConnect, path: str) -> str:
    """The uuid of the active pool with that volume, "" for what is in none."""
    try:
        return raw.storageVolLookupByPath(path).storagePoolLookupByVolume().UUIDString()
    except libvirt.libvirtError:
        return ""


@dataclass(frozen=True, slots=True)
class _Volume:
    paths: frozenset[str]
    pair: tuple[str, str]

    def is_in(self, xml: str) -> bool:
        try:
            sources = read_sources(xml)
        except Invalid:
            return any(path in xml for path in self.paths)  # rather keep a disk too many
        return not self.paths.isdisjoint(sources.paths) or self.pair in sources.volumes


def _machines(raw: libvirt.virConnect, mine: _Volume) -> list[User]:
    found = []
    for domain in raw.listAllDomains(0):
        try:
            if any(mine.is_in(xml) for xml in (domain.XMLDesc(0), domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))):
                found.append(User("machine", domain.name()))
            found += [User("snapshot", f"{domain.name()}/{each.getName()}") for each in _snapshots(domain) if mine.is_in(each.getXMLDesc(0))]
        except libvirt.libvirtError as exc:
            if exc.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
    return found


def _snapshots(domain: libvirt.virDomain) -> list[libvirt.virDomainSnapshot]:
    try:
        return domain.listAllSnapshots(0)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_UNSUPPORTED):
            return []
        raise


def _layers(raw: libvirt.virConnect, mine: _Volume, volume: VolumeSeen, pool_uuid: str) -> list[User]:
    """Volumes of any active pool that stand on this one."""
    found = []
    for pool in raw.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        for each in Memory().look(pool, 0):
            if each.backing_path in mine.paths and not (pool.UUIDString() == pool_uuid and each.name == volume.name):
                found.append(User("volume", f"{pool.name()}/{each.name}"))
    return found
