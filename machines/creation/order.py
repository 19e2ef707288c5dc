"""What somebody wants: the same for the form, the API, the preview and the worker. Frozen values, as JSON in the database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from virt.errors import Invalid
from virt.xml.build.parts import machine_name

Source = Literal["empty", "iso", "network", "volume", "image", "ova", "cloud", "xml"]
SOURCES: tuple[str, ...] = ("cloud", "iso", "image", "ova", "network", "volume", "empty", "xml")
FROM_VOLUME = frozenset({"iso", "volume", "image", "ova", "cloud"})
MOST_AT_ONCE = 1_000

_SERIES = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


@dataclass(frozen=True, slots=True)
class DiskOrder:
    """A disk in the pool of that name. `size_bytes` 0: as large as what it is made from."""

    pool: str
    size_bytes: int = 0
    format: str = "qcow2"
    bus: str = ""


@dataclass(frozen=True, slots=True)
class NicOrder:
    source: str
    kind: str = "network"
    model: str = ""
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """Everything about a machine but its name, its host, and what is secret.

    pool, volume   what it starts from, by name: an ISO, an image, an archive, an existing disk
    os             a name of machines.creation.systems, "" for any
    virt_type, cpu, board, firmware   "": what suits the host
    seed           cloud-init's public half: host_name (with {name}), user, ssh_keys, packages
    """

    source: Source
    pool: str = ""
    volume: str = ""
    vcpus: int = 2
    memory_bytes: int = 2 * 2**30
    disks: tuple[DiskOrder, ...] = ()
    nics: tuple[NicOrder, ...] = ()
    os: str = ""
    title: str = ""
    virt_type: str = ""
    cpu: str = ""
    board: str = ""
    firmware: str = ""
    tpm: bool = False
    start: bool = True
    seed: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Order:
        values = dict(data)
        values["disks"] = tuple(DiskOrder(**disk) for disk in values.get("disks", ()))
        values["nics"] = tuple(NicOrder(**nic) for nic in values.get("nics", ()))
        return cls(**values)

    @property
    def size_bytes(self) -> int:
        return sum(disk.size_bytes for disk in self.disks)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The half of an order that is kept sealed."""

    password_hash: str = ""
    user_data: str = ""
    xml: str = ""


NO_SECRETS = Secrets()


def names_of(pattern: str) -> list[str]:
    """ "web-{01..20}" → web-01 … web-20; a plain name → itself. Raises Invalid for names that libvirt would not take, and for too many."""
    found = list(_SERIES.finditer(pattern))
    if len(found) > 1:
        raise Invalid("One series in a name is enough: web-{01..20}.")
    if not found:
        return [machine_name(pattern)]
    first, last = found[0][1], found[0][2]
    if int(last) < int(first):
        raise Invalid("The series ends before it begins.")
    if int(last) - int(first) >= MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE} machines at once.")
    width = len(first) if first.startswith("0") or len(first) == len(last) else 0
    start, end = pattern[: found[0].start()], pattern[found[0].end() :]
    return [machine_name(f"{start}{number:0{width}d}{end}") for number in range(int(first), int(last) + 1)]


def volume_name(name: str, uuid: str, part: str, suffix: str) -> str:
    """A file for a machine's disk: readable, and with a piece of its uuid, so that nobody else's volume has that name."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("-.")[:100] or "machine"
    return f"{plain}-{uuid[:8]}{f'-{part}' if part else ''}.{suffix}"
