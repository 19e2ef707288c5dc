"""VMDK in several files: which ranges of which file are the disk, and what is refused because it leads elsewhere or is damaged."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virt.errors import Invalid
from virt.images import Image, inspect
from virt.vhdx import Extent
from virt.vmdk import SECTOR, Part, extents, read_descriptor

HEAD = '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="{kind}"\n'
GRAIN = 8


def described(*lines: str, kind: str = "twoGbMaxExtentSparse") -> str:
    return HEAD.format(kind=kind) + "\n".join(lines) + '\nddb.adapterType = "ide"\n'


def sparse(grains: dict[int, bytes], *, count: int, flags: int = 0, zeroed: int = -1) -> bytes:
    """A sparse part of `count` grains of 4 KiB, those given lying one after the other."""
    directory, table, data = 1, 2, 8
    entries = [0] * 512
    body = b""
    for number, content in grains.items():
        entries[number] = data + len(body) // SECTOR
        body += content.ljust(GRAIN * SECTOR, b"\0")
    if zeroed >= 0:
        entries[zeroed] = 1
    head = struct.pack("<4sIIQQQQIQQQ", b"KDMV", 1, flags, count * GRAIN, GRAIN, 0, 0, 512, 0, directory, data).ljust(SECTOR, b"\0")
    tables = struct.pack("<I", table).ljust(SECTOR, b"\0") + struct.pack("<512I", *entries).ljust(6 * SECTOR, b"\0")
    return head + tables + body


def disk(part: Part, data: bytes, at: int = 0) -> list[Extent]:
    return list(extents(part, at, lambda offset, length: data[offset : offset + length], len(data)))


def test_the_parts_of_a_disk() -> None:
    found = read_descriptor(described('RW 4192256 SPARSE "d-s001.vmdk"', "RW 100 ZERO", 'RW 16 FLAT "d ö.vmdk" 8\r'))
    assert found.parts == (
        Part("d-s001.vmdk", 4192256 * SECTOR, sparse=True),
        Part("", 100 * SECTOR),
        Part("d ö.vmdk", 16 * SECTOR, offset=8 * SECTOR),
    )
    text = described('RW 16 VMFS "d-flat.vmdk"', kind="vmfs").encode()
    assert inspect(lambda offset, length: text[offset : offset + length], len(text)) == Image("vmdk-split", 16 * SECTOR)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('RW 8 FLAT "/etc/shadow" 0', "outside of its folder"),
        ('RW 8 FLAT "../other/disk.img" 0', "outside of its folder"),
        ('RW 8 FLAT "a\\b" 0', "outside of its folder"),
        ('RW 8 FLAT "-o" 0', "outside of its folder"),
        ('RW 8 VMFSRDM "d.vmdk"', "device"),
        ('RW 8 SESPARSE "d.vmdk"', "differences"),
        ("RW 8 FLAT", "device"),
        ('RW 8 FLAT "a.vmdk" 0 more', "not understood"),
        ('RW 8 FLAT "a.vmdk" 0\nRW x FLAT "/etc/shadow" 0', "not understood"),
        ("", "not understood"),
    ],
)
def test_what_leads_elsewhere_is_refused(line: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        read_descriptor(described(line))


def test_differences_and_devices_are_refused() -> None:
    with pytest.raises(Invalid, match="snapshot"):
        read_descriptor(described('RW 8 FLAT "a.vmdk" 0').replace("ffffffff", "0badc0de"))
    with pytest.raises(Invalid, match="fullDevice"):
        read_descriptor(described('RW 8 FLAT "a.vmdk" 0', kind="fullDevice"))


def test_a_flat_part_is_a_range() -> None:
    assert disk(Part("a", 4 * SECTOR, offset=SECTOR), bytes(5 * SECTOR), at=100) == [Extent(100, SECTOR, 4 * SECTOR)]
    with pytest.raises(Invalid, match="shorter"):
        disk(Part("a", 4 * SECTOR, offset=2 * SECTOR), bytes(5 * SECTOR))


def test_neighbours_of_a_sparse_part_are_one() -> None:
    """Grains 0 and 1 lie together, 3 elsewhere on the disk but next in the file; 4 is said to be zero; the last is cut at the disk's end."""
    part = Part("a", (6 * GRAIN - 1) * SECTOR, sparse=True)
    data = bytearray(sparse({0: b"a", 1: b"b", 3: b"c", 5: b"d"}, count=6, flags=4, zeroed=4))
    data[12:20] = struct.pack("<Q", 6 * GRAIN - 1)
    size = GRAIN * SECTOR
    assert disk(part, bytes(data), at=1000) == [
        Extent(1000, 8 * SECTOR, 2 * size),
        Extent(1000 + 3 * size, 8 * SECTOR + 2 * size, size),
        Extent(1000 + 5 * size, 8 * SECTOR + 3 * size, size - SECTOR),
    ]


@pytest.mark.parametrize(
    ("offset", "value", "why"),
    [
        (0, b"XXXX", "no sparse part"),
        (8, struct.pack("<I", 1 << 16), "compressed"),
        (12, struct.pack("<Q", 7), "sizes"),
        (20, struct.pack("<Q", 3), "sizes"),
        (44, struct.pack("<I", 1), "sizes"),
        (56, struct.pack("<Q", 1 << 40), "table is not there"),
        (SECTOR, struct.pack("<I", 1 << 30), "ends before"),
        (2 * SECTOR, struct.pack("<I", 1 << 30), "ends before"),
    ],
)
def test_a_damaged_part_is_refused(offset: int, value: bytes, why: str) -> None:
    data = bytearray(sparse({0: b"a"}, count=4))
    data[offset : offset + len(value)] = value
    with pytest.raises(Invalid, match=why):
        disk(Part("a", 4 * GRAIN * SECTOR, sparse=True), bytes(data))


@given(st.dictionaries(st.integers(0, 63), st.binary(min_size=1, max_size=64), max_size=20), st.integers(64, 512))
def test_what_is_copied_is_the_disk(grains: dict[int, bytes], count: int) -> None:
    part, size = Part("a", count * GRAIN * SECTOR, sparse=True), GRAIN * SECTOR
    data = sparse(grains, count=count)
    made = bytearray(part.bytes)
    for extent in disk(part, data):
        made[extent.target : extent.target + extent.length] = data[extent.source : extent.source + extent.length]
    expected = bytearray(part.bytes)
    for number, content in grains.items():
        expected[number * size : number * size + len(content)] = content
    assert made == expected


@given(st.binary(max_size=4096))
def test_rubbish_is_refused_in_words(data: bytes) -> None:
    with contextlib.suppress(Invalid):
        disk(Part("a", 4 * GRAIN * SECTOR, sparse=True), b"KDMV" + data)
