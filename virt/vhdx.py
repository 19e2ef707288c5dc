"""VHDX: where a disk's blocks lie in the file. libvirt knows no such format, so that the worker copies block by block.

https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-vhdx/
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from virt.errors import Invalid

Read = Callable[[int, int], bytes]

_HEADERS = (64 * 1024, 128 * 1024)
_REGIONS = 192 * 1024
_BAT = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
_METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
_DISK_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
_SECTOR_SIZE = uuid.UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
_MOST_BLOCKS = 2**22
_PRESENT, _PARTLY = 6, 7


@dataclass(frozen=True, slots=True)
class Layout:
    """`bat`: (offset, length) of the table of blocks; `ratio`: payload blocks between two bitmap blocks in it."""

    virtual_bytes: int
    block_bytes: int
    ratio: int
    bat: tuple[int, int]
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Extent:
    """`length` bytes at `source` in the file are those at `target` of the disk; what no extent covers is zero."""

    target: int
    source: int
    length: int


def read_layout(read: Read, size: int) -> Layout:
    """Raises Invalid for a damaged file, one that was not closed cleanly, and one that holds only differences."""
    _refuse_open_log(read)
    regions = _table(read(_REGIONS, 64 * 1024), b"regi", count_at=8, first=16)
    if _BAT not in regions or _METADATA not in regions:
        raise Invalid("The VHDX is damaged: its tables are missing.")
    start, _ = regions[_METADATA]
    items = _metadata(read(start, 64 * 1024))
    parameters = read(start + items[_PARAMETERS][0], 8)
    block, flags = struct.unpack("<II", _whole(parameters, 8))
    (virtual,) = struct.unpack("<Q", _whole(read(start + items[_DISK_SIZE][0], 8), 8))
    (sector,) = struct.unpack("<I", _whole(read(start + items[_SECTOR_SIZE][0], 4), 4))
    if flags & 0b10:
        raise Invalid("The VHDX only holds the differences to another file. Bring it in one piece.")
    if sector not in (512, 4096) or not 2**20 <= block <= 2**28 or block & (block - 1) or virtual > _MOST_BLOCKS * block:
        raise Invalid("The VHDX is damaged: its sizes make no sense.")
    return Layout(virtual, block, 2**23 * sector // block, regions[_BAT], size)


def extents(layout: Layout, read: Read) -> Iterator[Extent]:
    """What is to be copied, in the order of the disk. Memory: a part of the table."""
    blocks = -(-layout.virtual_bytes // layout.block_bytes)
    start, length = layout.bat
    for first in range(0, blocks, layout.ratio):
        part = min(layout.ratio, blocks - first)
        at = (first // layout.ratio) * (layout.ratio + 1) * 8
        if at + part * 8 > length:
            raise Invalid("The VHDX is damaged: its table of blocks is too short.")
        entries = struct.unpack(f"<{part}Q", _whole(read(start + at, part * 8), part * 8))
        for number, entry in enumerate(entries, first):
            if extent := _extent(layout, number, entry):
                yield extent


def _extent(layout: Layout, number: int, entry: int) -> Extent | None:
    state, offset = entry & 7, (entry >> 20) << 20
    if state == _PARTLY:
        raise Invalid("The VHDX only holds the differences to another file. Bring it in one piece.")
    if state != _PRESENT:
        return None
    target = number * layout.block_bytes
    length = min(layout.block_bytes, layout.virtual_bytes - target)
    if offset < 2**20 or offset + length > layout.file_bytes:
        raise Invalid("The VHDX is damaged: a block lies outside of the file.")
    return Extent(target, offset, length)


def _refuse_open_log(read: Read) -> None:
    """The newer of two headers is in force; a log that it names holds writes that are not in the disk yet."""
    headers = [head for head in (read(at, 80) for at in _HEADERS) if head[:4] == b"head" and len(head) == 80]
    if not headers:
        raise Invalid("The VHDX is damaged: it has no header.")
    newest = max(headers, key=lambda head: struct.unpack_from("<Q", head, 8)[0])
    if any(newest[48:64]):
        raise Invalid("The VHDX was not closed cleanly: its log has writes that are not in the disk yet. Shut the machine down and copy it again.")


def _table(data: bytes, magic: bytes, *, count_at: int, first: int) -> dict[uuid.UUID, tuple[int, int]]:
    if data[: len(magic)] != magic:
        raise Invalid("The VHDX is damaged: a table is missing.")
    (count,) = struct.unpack_from("<I", _whole(data, 64 * 1024), count_at)
    return {
        uuid.UUID(bytes_le=data[at : at + 16]): struct.unpack_from("<QI", data, at + 16)
        for at in range(first, first + min(count, 2047) * 32, 32)
        if at + 32 <= len(data)
    }


def _metadata(data: bytes) -> dict[uuid.UUID, tuple[int, int]]:
    if data[:8] != b"metadata":
        raise Invalid("The VHDX is damaged: a table is missing.")
    (count,) = struct.unpack_from("<H", _whole(data, 64 * 1024), 10)
    found = {uuid.UUID(bytes_le=data[at : at + 16]): struct.unpack_from("<II", data, at + 16) for at in range(32, 32 + min(count, 1023) * 32, 32)}
    if not {_PARAMETERS, _DISK_SIZE, _SECTOR_SIZE} <= found.keys():
        raise Invalid("The VHDX is damaged: it does not say how large it is.")
    return found


def _whole(data: bytes, length: int) -> bytes:
    if len(data) < length:
        raise Invalid("The VHDX is damaged: it is cut off.")
    return data
