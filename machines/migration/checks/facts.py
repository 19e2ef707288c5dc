"""What the rules of a migration know: the machine, a host, and how the move is meant. None and "" mean that it is not known (yet)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    BLOCKS = "blocks"
    WARNS = "warns"
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says. `fix`: what to do about it; `at`: where that is done: "hardware", "options", "snapshots", "target", "storage", "reach" or ""."""

    level: Level
    title: str
    words: str = ""
    fix: str = ""
    at: str = ""

    @property
    def blocks(self) -> bool:
        return self.level == Level.BLOCKS

    @property
    def warns(self) -> bool:
        return self.level == Level.WARNS


class Store(StrEnum):
    """Whether the other host sees the same data."""

    SHARED = "shared"  # a store that both hosts name, such as an NFS export or a Ceph pool
    SEEN = "seen"  # the other host has a volume of that name and size at the same path: proven by a marker before the move
    LOCAL = "local"
    UNKNOWN = "unknown"  # in no pool that we know


@dataclass(frozen=True, slots=True)
class Drive:
    """A disk, CD-ROM or floppy with something in it. `pool`: of the source host, "" when it lies in none; `kind` as in virt.xml.read.disk."""

    target: str
    device: str
    kind: str
    source: str
    pool: str = ""
    size_bytes: int = 0
    cache: str = ""
    format: str = ""
    readonly: bool = False
    backed: bool = False

    @property
    def is_medium(self) -> bool:
        return self.device in ("cdrom", "floppy")

    @property
    def file_name(self) -> str:
        return self.source.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Link:
    """A network card: what it is plugged into. `kind` as in virt.xml.read.nic."""

    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Guest:
    """A machine. `known`: its definition could be read; without it nothing about its hardware is.

    running          its memory moves along; else only its definition (and disks)
    host_devices     words for each device of the host that it holds
    file_systems     ("virtiofs", "share") of directories of the host that it sees
    tpm              "", "emulator", "passthrough"
    snapshots        how many libvirt keeps; inside: how many of them inside the disks' files
    """

    id: int
    name: str
    uuid: str
    host_id: int
    running: bool
    memory_bytes: int
    vcpus: int
    known: bool = True
    virt_type: str = ""
    arch: str = ""
    board: str = ""
    cpu_mode: str = ""
    cpu_model: str = ""
    drives: tuple[Drive, ...] = ()
    links: tuple[Link, ...] = ()
    host_devices: tuple[str, ...] = ()
    file_systems: tuple[tuple[str, str], ...] = ()
    shared_memory: bool = False
    tpm: str = ""
    nvram: str = ""
    kernel: str = ""
    persistent: bool = True
    saved: bool = False
    snapshots: int = 0
    inside: int = 0
    busy: str = ""  # what holds it now, in words

    @property
    def disks(self) -> tuple[Drive, ...]:
        return tuple(drive for drive in self.drives if not drive.is_medium)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A pool. `source` as in Pool.source: two pools of a kind in `SHARED_KINDS` with the same source hold the same volumes."""

    name: str
    kind: str
    path: str
    source: str
    active: bool
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """A host.

    boards       machine types by name, None: not read yet
    cpu_models   virtualisation ("kvm", "qemu") → named CPU models that it can give, None: not read yet
    networks, bridges   active ones by name, None: not known
    machines     name → uuid of all that it has
    """

    id: int
    name: str
    host_uuid: str = ""
    online: bool = True
    maintenance: bool = False
    driver: str = "qemu"
    arch: str = ""
    emulates: frozenset[str] = frozenset()
    kvm: bool | None = None
    cpu: str = ""
    memory_bytes: int = 0
    free_bytes: int = 0
    libvirt_version: str = ""
    qemu_version: str = ""
    boards: frozenset[str] | None = None
    cpu_models: Mapping[str, frozenset[str]] | None = None
    host_model: str = ""
    pools: tuple[Shelf, ...] = ()
    networks: frozenset[str] | None = None
    bridges: frozenset[str] | None = None
    machines: Mapping[str, str] = field(default_factory=dict)

    def pool(self, name: str) -> Shelf | None:
        return next((pool for pool in self.pools if pool.name == name), None)


@dataclass(frozen=True, slots=True)
class Way:
    """How the move is meant. `copies`: disk → pool of the target that it is copied to; a disk that is missing there is to be used where it lies."""

    copies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reach:
    """What came of the last try whether the source's libvirt reaches the target's. `works` None: never tried."""

    works: bool | None = None
    words: str = ""
    at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One machine, one target. `stores`: of each drive by target name, what the other host has of it."""

    guest: Guest
    source: Place
    target: Place
    way: Way = Way()
    reach: Reach = Reach()
    stores: Mapping[str, Store] = field(default_factory=dict)

    def store(self, drive: Drive) -> Store:
        return self.stores.get(drive.target, Store.UNKNOWN)
