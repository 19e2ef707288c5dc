"""The files that disks rest on: which lies on which, who uses them; making a layer, removing one.

A snapshot outside the disks freezes a file; the machine goes on in an overlay that rests on it. libvirt knows such files as volumes
of a pool: where no pool shows their folder, one is made that vanishes with libvirtd (it is never stored).
"""

from __future__ import annotations

import hashlib
import os.path
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import libvirt
from lxml import etree

from virt.connection import Connection
from virt.errors import Conflict, NotFound, OperationFailed
from virt.translation import translate
from virt.xml.parse import parse
from virt.xml.read.disk import Disk, read_disk
from virt.xml.read.snapshot import read_snapshot
from virt.xml.read.values import attribute, size_bytes, text

T = TypeVar("T")

_FOLDERS = ("dir", "fs", "netfs")
_MISSING = (libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_STORAGE_POOL)


@dataclass(frozen=True, slots=True)
class Layer:
    """A file as its pool shows it; `backing` is "" for one that rests on nothing."""

    path: str
    format: str
    capacity_bytes: int
    allocation_bytes: int
    backing: str


@dataclass(frozen=True, slots=True)
class Use:
    """Who needs a file: a disk of a machine, a snapshot, or another file that rests on it. `words` for a person."""

    words: str
    kind: str  # "disk", "snapshot", "overlay"
    machine: str = ""  # uuid
    snapshot: str = ""
    overlay: str = ""
    writes: bool = False  # it is the file that the disk writes to


@dataclass
class Survey:
    """Who uses what on one host, as far as its machines, their snapshots and its pools tell."""

    _uses: defaultdict[str, list[Use]] = field(default_factory=lambda: defaultdict(list))

    def add(self, path: str, use: Use) -> None:
        if path and use not in self._uses[path]:
            self._uses[path].append(use)

    def uses(self, path: str, *, but: Callable[[Use], bool] = lambda use: False) -> list[Use]:
        return [use for use in self._uses.get(path, ()) if not but(use)]

    def overlays(self, path: str) -> list[str]:
        """The files that rest directly on it."""
        return sorted({use.overlay for use in self._uses.get(path, ()) if use.kind == "overlay"})


class Files:
    """The files of a host's disks. Paths are the host's."""

    def __init__(self, connection: Connection) -> None:
        self._raw = connection.raw
        self._refreshed: set[str] = set()

    def path_of(self, disk: Disk) -> str:
        """The file of a disk, also of one that is named by pool and volume; "" when it is no file."""
        if disk.kind == "volume":
            with translate():
                return str(self._raw.storagePoolLookupByName(disk.pool).storageVolLookupByName(disk.volume).path())
        return disk.source if disk.kind == "file" else ""

    def resolve(self, source: str) -> str:
        """The path of a source that may be written "pool/volume"."""
        pool, _, volume = source.partition("/")
        if not pool or not volume:
            return source
        with translate():
            return str(self._raw.storagePoolLookupByName(pool).storageVolLookupByName(volume).path())

    def layer(self, path: str) -> Layer | None:
        """None when the file is not there."""
        volume = self._volume(path)
        if volume is None:
            return None
        with translate():
            return _layer(volume)

    def chain(self, path: str) -> list[str]:
        """The file and those below it, the lowest last. Raises NotFound when one is missing."""
        found: list[str] = []
        while path:
            layer = self.layer(path)
            if layer is None or path in found:
                raise NotFound(f"{path} is not there, and disks rest on it.")
            found.append(path)
            path = layer.backing
        return found

    def free(self, path: str) -> tuple[str, int]:
        """The name of the pool that a file lies in, and the bytes that are free there."""
        with translate():
            pool = self._pool(os.path.dirname(path))
            self._refresh(pool)
            return pool.name(), int(pool.info()[3])

    def make_overlay(self, path: str, on: str) -> None:
        """A new qcow2 file that shows what `on` holds; `on` is not touched. Raises Conflict when there is something already."""
        below = self.layer(on)
        if below is None:
            raise NotFound(f"{on} is not there any more.")
        if self.layer(path) is not None:
            raise Conflict(f"{path} exists already.")
        with translate():
            self._pool(os.path.dirname(path)).createXML(_overlay_xml(os.path.basename(path), below), 0)
        made = self.layer(path)
        if made is None or made.backing != on or made.capacity_bytes < below.capacity_bytes:
            raise OperationFailed(f"The new file {path} does not rest on {on} as it should.")

    def delete(self, path: str) -> bool:
        """Whether it was there. The caller has proven that nobody needs it."""
        volume = self._volume(path)
        if volume is None:
            return False
        with translate():
            volume.delete(0)
        return True

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, as its pool sees it now."""
        with translate():
            pool = self._pool(folder)
            self._refresh(pool, again=True)
            return sorted(volume.path() for volume in pool.listAllVolumes(0))

    def survey(self) -> Survey:
        """Who uses what, now. As long as the host has volumes: a second for a thousand of them."""
        found = Survey()
        with translate():
            for pool in self._raw.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
                if attribute(parse(pool.XMLDesc(0)), "type") in _FOLDERS:
                    self._refresh(pool, again=True)
                    for layer in _each(pool.listAllVolumes(0), _layer):
                        words = f"{os.path.basename(layer.path)} rests on it"
                        found.add(layer.backing, Use(words, "overlay", overlay=layer.path))
            for domain in self._raw.listAllDomains(0):
                _unless_gone(lambda: self._survey_machine(found, domain))  # noqa: B023 - called at once
        return found

    def _survey_machine(self, found: Survey, domain: libvirt.virDomain) -> None:
        uuid, name = domain.UUIDString(), domain.name()
        for xml in {domain.XMLDesc(0), domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)}:
            for node in parse(xml).iterfind("devices/disk"):
                disk = read_disk(node)
                own = self.path_of(disk) if disk.kind in ("file", "volume") and disk.source else ""
                writes = not disk.readonly and disk.device == "disk"
                found.add(own, Use(f"the disk {disk.target} of {name}", "disk", uuid, writes=writes))
                for path in _backing(node):
                    found.add(path, Use(f"the disk {disk.target} of {name}", "disk", uuid))
        for snapshot in domain.listAllSnapshots(0):
            definition = read_snapshot(snapshot.getXMLDesc(0))
            for path in {*(disk.held for disk in definition.disks), definition.memory_file} - {""}:
                found.add(self.resolve(path), Use(f"the snapshot {definition.name} of {name}", "snapshot", uuid, definition.name))

    def _volume(self, path: str) -> libvirt.virStorageVol | None:
        """Known already, or known once its folder was looked at again."""
        with translate():
            known = _or_none(lambda: self._raw.storageVolLookupByPath(path))
            if known is None:
                pool = self._pool(os.path.dirname(path))
                self._refresh(pool, again=True)
                return _or_none(lambda: pool.storageVolLookupByName(os.path.basename(path)))
            # A pool remembers files that somebody else removed.
            self._refresh(known.storagePoolLookupByVolume())
            return _or_none(lambda: self._raw.storageVolLookupByPath(path))

    def _pool(self, folder: str) -> libvirt.virStoragePool:
        pool = _or_none(lambda: self._raw.storagePoolLookupByTargetPath(folder))
        return pool or self._raw.storagePoolCreateXML(_pool_xml(folder), 0)

    def _refresh(self, pool: libvirt.virStoragePool, *, again: bool = False) -> None:
        if again or pool.name() not in self._refreshed:
            try:
                pool.refresh(0)
            except libvirt.libvirtError as exc:
                # While something is written to it by a volume call: it tells what it knew before.
                if "asynchronous jobs" not in (exc.get_error_message() or ""):
                    raise
            self._refreshed.add(pool.name())


def machine_disks(xml: str) -> list[Disk]:
    """The disks that a machine writes to."""
    disks = map(read_disk, parse(xml).iterfind("devices/disk"))
    return [disk for disk in disks if disk.device == "disk" and not disk.readonly and disk.source]


def live_chain(xml: str, target: str) -> list[str]:
    """The files of a running machine's disk, what it writes to first, as libvirt shows them."""
    for node in parse(xml).iterfind("devices/disk"):
        if attribute(node.find("target"), "dev") == target:
            return [path for path in (read_disk(node).source, *_backing(node)) if path]
    return []


def _backing(disk: etree._Element) -> Iterator[str]:
    node = disk.find("backingStore")
    while node is not None:
        source = node.find("source")
        if path := attribute(source, "file") or attribute(source, "dev"):
            yield path
        node = node.find("backingStore")


def _layer(volume: libvirt.virStorageVol) -> Layer:
    root = parse(volume.XMLDesc(0))
    return Layer(
        path=text(root, "target/path"),
        format=attribute(root.find("target/format"), "type"),
        capacity_bytes=size_bytes(root.find("capacity")),
        allocation_bytes=size_bytes(root.find("allocation")),
        backing=text(root, "backingStore/path"),
    )


def _overlay_xml(name: str, below: Layer) -> str:
    volume = etree.Element("volume")
    etree.SubElement(volume, "name").text = name
    etree.SubElement(volume, "capacity", unit="bytes").text = str(below.capacity_bytes)
    etree.SubElement(etree.SubElement(volume, "target"), "format", type="qcow2")
    backing = etree.SubElement(volume, "backingStore")
    etree.SubElement(backing, "path").text = below.path
    etree.SubElement(backing, "format", type=below.format or "raw")
    return etree.tostring(volume, encoding="unicode")


def _pool_xml(folder: str) -> str:
    pool = etree.Element("pool", type="dir")
    etree.SubElement(pool, "name").text = f"webvirt-{hashlib.sha256(folder.encode()).hexdigest()[:10]}"
    etree.SubElement(etree.SubElement(pool, "target"), "path").text = folder
    return etree.tostring(pool, encoding="unicode")


def _or_none(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in _MISSING:
            return None
        raise


def _each(volumes: Iterable[libvirt.virStorageVol], see: Callable[[libvirt.virStorageVol], Layer]) -> Iterator[Layer]:
    for volume in volumes:
        if layer := _or_none(lambda: see(volume)):  # noqa: B023 - called at once
            yield layer


def _unless_gone(look: Callable[[], None]) -> None:
    try:
        look()
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_DOMAIN, libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT):
            raise
