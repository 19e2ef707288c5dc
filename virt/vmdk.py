"""VMDK in several files: a description that names them, each flat or sparse. QEMU would follow whatever path the description names;
here the worker copies range by range, out of volumes of the same pool alone.

https://www.vmware.com/app/vmdk/?src=vmdk
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from virt import names
from virt.errors import Invalid
from virt.vhdx import Extent

Read = Callable[[int, int], bytes]

SECTOR = 512
LONGEST_DESCRIPTOR = 64 * 1024
SPLIT = ("twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "monolithicFlat", "vmfs")
_MOST_PARTS = 4096
_ENTRIES = 512  # of a grain table
_COMPRESSED, _HAS_ZERO_GRAINS = 1 << 16, 1 << 2


@dataclass(frozen=True, slots=True)
class Part:
    """`bytes` of the disk lie in the file `name`: as they are from `offset` on, or `sparse`; no name: they are zero."""

    name: str
    bytes: int
    offset: int = 0
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class Descriptor:
    """`kind`: its createType. `parts` in the order of the disk; those of a kind that lies in one file are not told."""

    kind: str
    parts: tuple[Part, ...] = ()

    @property
    def virtual_bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


def read_descriptor(text: str) -> Descriptor:
    """Of a VMDK whose data lie in other files. Raises Invalid for one that leads out of its pool, or to another disk."""
    values = values_of(text)
    refuse_parent(values)
    kind = values.get("createType", "")
    if kind not in SPLIT:
        raise Invalid(f"A VMDK of the kind “{kind[:40]}” is not taken: only {', '.join(('monolithicSparse', 'streamOptimized', *SPLIT))}.")
    lines = re.findall(r"(?m)^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]+(\d{1,15})[ \t]+(\S+)(?:[ \t]+\"([^\"\r\n]*)\")?(?:[ \t]+(\d{1,15}))?[ \t]*\r?$", text)
    if not lines or len(lines) > _MOST_PARTS or len(lines) != len(re.findall(r"(?m)^[ \t]*(?:RW|RDONLY|NOACCESS)\b", text)):
        raise Invalid("The VMDK's list of files is not understood.")
    return Descriptor(kind, tuple(_part(*line) for line in lines))


def values_of(text: str) -> dict[str, str]:
    return dict(re.findall(r'(?m)^\s*([A-Za-z.]+)\s*=\s*"?([^"\r\n]*)"?', text))


def refuse_parent(values: dict[str, str]) -> None:
    if values.get("parentCID", "ffffffff").strip().lower() != "ffffffff" or "parentFileNameHint" in values:
        raise Invalid("The VMDK only holds the differences to another file (a snapshot). Bring it in one piece.")


def extents(part: Part, at: int, read: Read, size: int) -> Iterator[Extent]:
    """What is to be copied from the part's file of `size` bytes; the part begins at byte `at` of the disk. Raises Invalid for a damaged one."""
    if not part.sparse:
        if part.offset + part.bytes > size:
            raise Invalid(f"{part.name} is shorter than the VMDK says.")
        yield Extent(at, part.offset, part.bytes)
        return
    yield from _joined(_grains(part, at, read, size))


def _part(sectors: str, kind: str, name: str, offset: str) -> Part:
    length = int(sectors) * SECTOR
    if kind == "ZERO":
        return Part("", length)
    if kind not in ("FLAT", "VMFS", "SPARSE") or not name:
        raise Invalid(f"A VMDK with a part of the kind “{kind[:40]}” is not taken: it names a device, or the differences to another disk.")
    try:
        names.volume_name(name)
    except Invalid as exc:
        raise Invalid(f"The VMDK names a file outside of its folder: {name[:100]}. It is not taken.") from exc
    return Part(name, length, 0 if kind == "SPARSE" else int(offset or 0) * SECTOR, kind == "SPARSE")


def _grains(part: Part, at: int, read: Read, size: int) -> Iterator[Extent]:
    head = read(0, SECTOR)
    if len(head) < SECTOR or not head.startswith(b"KDMV"):
        raise Invalid(f"{part.name} is no sparse part of a VMDK.")
    _, flags, capacity, grain, _, _, entries, _, directory = struct.unpack_from("<IIQQQQIQQ", head, 4)
    if flags & _COMPRESSED:
        raise Invalid(f"{part.name} is compressed, which a part of a VMDK never is.")
    if capacity * SECTOR != part.bytes or entries != _ENTRIES or not 8 <= grain <= 2**16 or grain & (grain - 1):
        raise Invalid(f"{part.name} is damaged: its sizes make no sense.")
    length = grain * SECTOR
    count = -(-part.bytes // length)
    tables = -(-count // _ENTRIES)
    if directory * SECTOR + tables * 4 > size:
        raise Invalid(f"{part.name} is damaged: its table is not there.")
    places = struct.unpack(f"<{tables}I", _whole(read(directory * SECTOR, tables * 4), tables * 4, part))
    for table, place in enumerate(places):
        if not place:
            continue
        there = min(_ENTRIES, count - table * _ENTRIES)
        for number, grain_at in enumerate(struct.unpack(f"<{there}I", _whole(read(place * SECTOR, there * 4), there * 4, part)), table * _ENTRIES):
            if not grain_at or (grain_at == 1 and flags & _HAS_ZERO_GRAINS):
                continue
            wanted = min(length, part.bytes - number * length)
            if grain_at * SECTOR + wanted > size:
                raise Invalid(f"{part.name} is damaged: it ends before its data.")
            yield Extent(at + number * length, grain_at * SECTOR, wanted)


def _joined(found: Iterator[Extent]) -> Iterator[Extent]:
    """Neighbours as one: a call to the host costs more than its bytes."""
    last: Extent | None = None
    for each in found:
        if last and each.target == last.target + last.length and each.source == last.source + last.length:
            last = Extent(last.target, last.source, last.length + each.length)
            continue
        if last:
            yield last
        last = each
    if last:
        yield last


def _whole(data: bytes, length: int, part: Part) -> bytes:
    if len(data) != length:
        raise Invalid(f"{part.name} is damaged: it ends before its tables.")
    return data
