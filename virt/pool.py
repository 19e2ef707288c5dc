"""A host's storage pools: seeing them with their volumes, and what is done to a pool. Named by uuid throughout."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import libvirt

from virt.connection import Connection
from virt.errors import Conflict, Invalid, NotFound, OperationFailed
from virt.translation import answered, translate
from virt.volume import Memory, VolumeSeen
from virt.xml import tree
from virt.xml.pools import pool_kind
from virt.xml.read.pool import definition_of, read_pool

Seconds = float

_SPARE: Seconds = 2.0  # of each look, for reading known volumes again
_REFRESH_EVERY: Seconds = 240.0

# Kinds whose contents are the host's own files, so that looking there again disturbs nobody: nothing is mounted or logged in to.
_LOOKED_INTO = ("dir",)


@dataclass(frozen=True, slots=True)
class PoolSeen:
    """A pool as its host shows it.

    state     "running", "off", "building", "degraded", "inaccessible"
    source    in one line, "" for a directory of the host's own
    xml       what is defined, without figures: what the pool is when it starts next. pending: it runs as something else still
    volumes   by name; None while the pool is off or could not be listed: what it holds is not known then
    """

    uuid: str
    name: str
    kind: str
    state: str
    autostart: bool
    persistent: bool
    capacity_bytes: int
    allocation_bytes: int
    available_bytes: int
    path: str
    source: str
    xml: str
    volumes: tuple[VolumeSeen, ...] | None
    pending: bool = False

    @property
    def active(self) -> bool:
        return self.state in ("running", "degraded")


# ── seeing ──


def list_all(connection: Connection) -> tuple[PoolSeen, ...]:
    """Every pool with its volumes, by name: for the watcher, which looks again and again over one connection (virt.volume.Memory)."""
    with translate():
        try:
            listed = connection.aside.listAllStoragePools(0)
        except libvirt.libvirtError as exc:
            if exc.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
                return ()
            raise
        memories = connection.volumes
        uuids = {pool.UUIDString() for pool in listed}
        for gone in memories.keys() - uuids:
            del memories[gone]
        spare = _SPARE / max(1, len(listed))
        found = []
        for pool in listed:
            _refresh_now_and_then(connection, pool)
            memory = memories.setdefault(pool.UUIDString(), Memory())
            if seen := _unless_gone(lambda: _see(pool, memory, spare)):  # noqa: B023 - called at once
                found.append(seen)
        return tuple(sorted(found, key=lambda seen: seen.name))


def read(connection: Connection, uuid: str) -> PoolSeen:
    """One pool, without its volumes. Raises NotFound."""
    with translate():
        return _see(_pool(connection, uuid), None, 0)


# ── doing ──


def define(connection: Connection, xml: str) -> str:
    """Store a new pool's definition; its uuid. Raises Conflict when the name is taken: libvirt would change that pool instead."""
    with translate():
        name = read_pool(xml).name
        if any(pool.name() == name for pool in connection.raw.listAllStoragePools(0)):
            raise Conflict(f"A pool {name} is on the host already.")
        return connection.raw.storagePoolDefineXML(xml, _validate(connection)).UUIDString()


def redefine(connection: Connection, uuid: str, xml: str, *, based_on: str) -> None:
    """Replace what is defined; a pool that runs goes on as it is until it is stopped.

    `based_on`: the digest (virt.xml.tree) of what was edited. Raises Conflict when that is not there any more.
    """
    with translate():
        pool = _pool(connection, uuid)
        if tree.digest(_stored(pool, pool.XMLDesc(0))) != based_on:
            raise Conflict("Somebody changed the definition meanwhile. Nothing was done; look at it and ask again.")
        wanted = read_pool(xml)
        if (wanted.uuid, wanted.name) != (uuid, pool.name()):
            raise Invalid("The name and the UUID of a pool can't be changed.")
        connection.raw.storagePoolDefineXML(xml, _validate(connection))


def digest_of(connection: Connection, uuid: str) -> str:
    """Of what is defined now."""
    with translate():
        pool = _pool(connection, uuid)
        return tree.digest(_stored(pool, pool.XMLDesc(0)))


def build(connection: Connection, uuid: str, *, overwrite: bool | None = None) -> None:
    """Make what the pool stands on: a directory, a volume group, a file system. `overwrite`: format even what has data on it.

    None: where nothing is formatted libvirt takes no such flag.
    """
    flags = {None: libvirt.VIR_STORAGE_POOL_BUILD_NEW, True: libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE, False: libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE}
    with translate():
        _pool(connection, uuid).build(flags[overwrite])


def start(connection: Connection, uuid: str) -> None:
    with translate():
        _pool(connection, uuid).create(0)


def stop(connection: Connection, uuid: str) -> None:
    """Unmount, log out …; the data stays."""
    with translate():
        _pool(connection, uuid).destroy()


def set_autostart(connection: Connection, uuid: str, on: bool) -> None:
    with translate():
        _pool(connection, uuid).setAutostart(1 if on else 0)


def refresh(connection: Connection, uuid: str) -> None:
    """Have the host look again at what is there: files that came without libvirt, room that others took."""
    with translate():
        _pool(connection, uuid).refresh(0)


def delete_contents(connection: Connection, uuid: str) -> None:
    """Remove what `build` made; the pool must be off. A directory must be empty."""
    with translate():
        _pool(connection, uuid).delete(0)


def undefine(connection: Connection, uuid: str) -> None:
    """Forget the pool; its data stays where it is."""
    with translate():
        _pool(connection, uuid).undefine()


def sources(connection: Connection, kind: str, values: dict[str, str]) -> list[dict[str, str]]:
    """What the host finds for a pool of this kind, as values of its fields. Raises Unsupported for kinds that can't be searched for."""
    described = pool_kind(kind)
    try:
        with translate():
            return described.found(connection.raw.findStoragePoolSources(kind, described.search_xml(values) or None, 0))
    except OperationFailed as exc:
        if "no storage pools were found" in exc.detail:
            return []
        raise


# ── helpers ──


def exists(connection: Connection, uuid: str) -> bool:
    try:
        with translate():
            _pool(connection, uuid)
    except NotFound:
        return False
    return True


def _pool(connection: Connection, uuid: str) -> libvirt.virStoragePool:
    return connection.raw.storagePoolLookupByUUIDString(uuid)


def _validate(connection: Connection) -> int:
    """Have libvirt check the XML against its schema, where it knows how to (7.3)."""
    return libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE if connection.raw.getLibVersion() >= 7_003_000 else 0


def _refresh_now_and_then(connection: Connection, pool: libvirt.virStoragePool) -> None:
    """libvirt knows a directory as of its last look there. It is looked into for it, which costs the host a read of each file's head.

    Not so what is mounted or logged in to: a refresh that fails there would stop the pool.
    """
    uuid, now = pool.UUIDString(), time.monotonic()
    last = connection.refreshed.get(uuid)
    if last is not None and now - last < _REFRESH_EVERY:
        return
    connection.refreshed[uuid] = now
    try:
        if pool.info()[0] == libvirt.VIR_STORAGE_POOL_RUNNING and read_pool(pool.XMLDesc(0)).kind in _LOOKED_INTO:
            pool.refresh(0)
    except libvirt.libvirtError:
        return  # something is being made in it, or it is gone


def _see(pool: libvirt.virStoragePool, memory: Memory | None, spare: Seconds) -> PoolSeen:
    number, capacity, allocation, available = pool.info()
    xml = pool.XMLDesc(0)
    definition, stored = read_pool(xml), _stored(pool, xml)
    state = _STATES.get(number, "off")
    return PoolSeen(
        uuid=pool.UUIDString(),
        name=pool.name(),
        kind=definition.kind,
        state=state,
        autostart=bool(pool.autostart()),
        persistent=bool(pool.isPersistent()),
        capacity_bytes=capacity,
        allocation_bytes=allocation,
        available_bytes=available,
        path=definition.path,
        source=definition.source,
        xml=stored,
        pending=stored != definition_of(xml),
        volumes=_volumes(pool, memory, spare) if memory is not None and state in ("running", "degraded") else None,
    )


def _stored(pool: libvirt.virStoragePool, live: str) -> str:
    try:
        return definition_of(pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE))
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_SUPPORT):
            return definition_of(live)  # a driver that has only the one
        raise


def _volumes(pool: libvirt.virStoragePool, memory: Memory, spare: Seconds) -> tuple[VolumeSeen, ...] | None:
    try:
        return memory.look(pool, spare)
    except libvirt.libvirtError as exc:
        if answered(exc, (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_INTERNAL_ERROR)):
            return None  # it was stopped meanwhile
        raise


def _unless_gone(look: Callable[[], PoolSeen]) -> PoolSeen | None:
    try:
        return look()
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL:
            return None
        raise


_STATES = {
    libvirt.VIR_STORAGE_POOL_INACTIVE: "off",
    libvirt.VIR_STORAGE_POOL_BUILDING: "building",
    libvirt.VIR_STORAGE_POOL_RUNNING: "running",
    libvirt.VIR_STORAGE_POOL_DEGRADED: "degraded",
    libvirt.VIR_STORAGE_POOL_INACCESSIBLE: "inaccessible",
}
