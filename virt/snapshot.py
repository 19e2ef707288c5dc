"""Snapshots of machines, as libvirt keeps them. What they rest on is in virt/chain.py, how layers are merged in virt/blockjob.py.

Every function raises the exceptions of `virt.errors`. Machines are named by uuid, snapshots by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libvirt

from virt.connection import Connection
from virt.translation import answered, translate
from virt.xml.parse import parse
from virt.xml.read.disk import Disk, read_disk
from virt.xml.read.snapshot import SnapshotDefinition, read_snapshot


@dataclass(frozen=True, slots=True)
class SnapshotSeen:
    """A snapshot as its host shows it.

    current      the machine's present state came from this one
    sizes        bytes that its files take on the host's storage: {path: bytes}; files in no known pool are missing
    """

    definition: SnapshotDefinition
    current: bool
    xml: str
    sizes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class MachineSnapshots:
    """All snapshots of one machine. `now_bytes`: what its disks have taken since the last external one, None when unknown."""

    uuid: str
    snapshots: tuple[SnapshotSeen, ...]
    now_bytes: int | None = None


def list_all(connection: Connection) -> tuple[MachineSnapshots, ...]:
    """Of every machine that has some. One call tells which; then two for each of them, one for a snapshot, two for a file of it."""
    raw = connection.aside
    with translate():
        domains = raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT)
        found = [seen for domain in domains if (seen := _unless_gone(raw, domain))]
    return tuple(sorted(found, key=lambda machine: machine.uuid))


def of_machine(connection: Connection, uuid: str) -> tuple[SnapshotSeen, ...]:
    """One machine's, without sizes."""
    with translate():
        return tuple(_snapshots(connection.raw.lookupByUUIDString(uuid)))


def find(connection: Connection, uuid: str, name: str) -> SnapshotSeen | None:
    """None when there is no such snapshot (any more)."""
    return next((seen for seen in of_machine(connection, uuid) if seen.definition.name == name), None)


def create(connection: Connection, uuid: str, xml: str, *, disks_only: bool, live: bool, quiesce: bool) -> None:
    """Take one. `live`: the machine runs on while its memory is written; `quiesce`: the guest's agent freezes its file systems for a moment."""
    flags = 0
    if disks_only:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    if live:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_LIVE
    if quiesce:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE
    with translate():
        connection.raw.lookupByUUIDString(uuid).snapshotCreateXML(xml, flags)


def redefine(connection: Connection, uuid: str, xml: str, *, current: bool) -> None:
    """Replace what libvirt keeps of a snapshot; with `current` the machine counts as come from it."""
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
    if current:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
    with translate():
        connection.raw.lookupByUUIDString(uuid).snapshotCreateXML(xml, flags)


def revert_internal(connection: Connection, uuid: str, name: str, *, run: bool | None) -> None:
    """libvirt's own way, for snapshots inside qcow2 files. `run`: None leaves it as the snapshot was."""
    flags = 0 if run is None else libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING if run else 0
    # The person was told what is lost; libvirt asks for FORCE where devices differ from those of then.
    flags |= libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        domain.revertToSnapshot(domain.snapshotLookupByName(name), flags)


def delete(connection: Connection, uuid: str, name: str, *, keep_data: bool) -> None:
    """Remove one; children move up. `keep_data`: libvirt only forgets it, whatever files there are."""
    with translate():
        snapshot = connection.raw.lookupByUUIDString(uuid).snapshotLookupByName(name)
        snapshot.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY if keep_data else 0)


def restore_memory(connection: Connection, file: str, domain_xml: str, *, paused: bool) -> None:
    """Start a machine from the memory that an external snapshot wrote, with disks as `domain_xml` names them."""
    flags = libvirt.VIR_DOMAIN_SAVE_PAUSED if paused else libvirt.VIR_DOMAIN_SAVE_RUNNING
    with translate():
        connection.raw.restoreFlags(file, domain_xml, flags)


def memory_is_readable(connection: Connection, file: str) -> None:
    """Raises VirtError when the file is not (any more) what libvirt wrote."""
    with translate():
        connection.raw.saveImageGetXMLDesc(file, 0)


@dataclass(frozen=True, slots=True)
class Written:
    """How far libvirt is with writing a machine's memory. `rounds`: how often over; above two, the guest changes it faster than it is written."""

    percent: float
    rounds: float


def memory_written(connection: Connection, uuid: str) -> Written | None:
    """None while libvirt writes none, or can't say."""
    with translate():
        stats = connection.raw.lookupByUUIDString(uuid).jobStats()
    total, left = stats.get("memory_total", 0), stats.get("memory_remaining", 0)
    return Written(100 * (total - left) / total, stats.get("memory_processed", 0) / total) if total else None


def drop_saved_image(connection: Connection, uuid: str) -> None:
    """Throw away the memory that was saved when the machine stopped; nothing to do without."""
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        if domain.hasManagedSaveImage(0):
            domain.managedSaveRemove(0)


def _unless_gone(raw: libvirt.virConnect, domain: libvirt.virDomain) -> MachineSnapshots | None:
    try:
        seen = list(_snapshots(domain))
        files = {disk.held for one in seen for disk in one.definition.disks if disk.kind == "external"}
        files |= {one.definition.memory_file for one in seen}
        sizes = {path: size for path in files if path and (size := _allocation(raw, path)) is not None}
        return MachineSnapshots(domain.UUIDString(), tuple(_with_sizes(one, sizes) for one in seen), _now_bytes(raw, domain, bool(files - {""})))
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_DOMAIN, libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT):
            return None  # it went away meanwhile: the next look tells
        raise


def _snapshots(domain: libvirt.virDomain) -> Iterator[SnapshotSeen]:
    snapshots = domain.listAllSnapshots(0)
    current = domain.snapshotCurrent(0).getName() if snapshots and domain.hasCurrentSnapshot(0) else ""
    for snapshot in snapshots:
        xml = snapshot.getXMLDesc(0)
        definition = read_snapshot(xml)
        yield SnapshotSeen(definition, definition.name == current, xml)


def _with_sizes(seen: SnapshotSeen, sizes: dict[str, int]) -> SnapshotSeen:
    definition = seen.definition
    files = [*(disk.held for disk in definition.disks if disk.kind == "external"), definition.memory_file]
    return SnapshotSeen(definition, seen.current, seen.xml, tuple((path, sizes[path]) for path in files if path in sizes))


def _now_bytes(raw: libvirt.virConnect, domain: libvirt.virDomain, wanted: bool) -> int | None:
    if not wanted:
        return None
    disks = (read_disk(node) for node in parse(domain.XMLDesc(0)).iterfind("devices/disk"))
    sizes = [_allocation(raw, disk.source) for disk in disks if _is_written(disk)]
    return sum(size or 0 for size in sizes) if sizes and None not in sizes else None


def _is_written(disk: Disk) -> bool:
    return disk.device == "disk" and not disk.readonly and disk.kind in ("file", "volume")


def _allocation(raw: libvirt.virConnect, path: str) -> int | None:
    """Of a path, or of "pool/volume"; None for a file in no pool, or one that its pool has not seen yet."""
    pool, _, name = path.partition("/")
    try:
        volume = raw.storagePoolLookupByName(pool).storageVolLookupByName(name) if pool else raw.storageVolLookupByPath(path)
        return int(volume.info()[2])
    except libvirt.libvirtError as exc:
        if answered(exc, _NO_SIZE):
            return None
        raise


_NO_SIZE = (
    libvirt.VIR_ERR_NO_STORAGE_VOL,
    libvirt.VIR_ERR_NO_STORAGE_POOL,
    libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_OPERATION_INVALID,  # the pool is not active
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_INTERNAL_ERROR,
)
