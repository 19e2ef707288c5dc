"""Images are hostile: what an image is, by its own header alone, and what is refused with its reason."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virt import vhdx
from virt.errors import Invalid
from virt.images import Image, inspect

Read = Callable[[int, int], bytes]


def reading(data: bytes) -> Read:
    return lambda offset, length: data[offset : offset + length]


def look(data: bytes) -> Image:
    return inspect(reading(data), len(data))


def qcow2(*, version: int = 3, backing: int = 0, crypt: int = 0, features: int = 0, size: int = 1 << 30, extension: bytes = b"", l1: int = 1) -> bytes:
    head = struct.pack(">4sIQIIQII", b"QFI\xfb", version, backing, 8 if backing else 0, 16, size, crypt, l1)
    head = head.ljust(72, b"\0") + struct.pack(">QQQII", features, 0, 0, 4, 104)
    return (head + extension).ljust(4096, b"\0")


def vmdk(descriptor: str, *, capacity: int = 2048, start: int = 1) -> bytes:
    head = struct.pack("<4sIIQQQQ", b"KDMV", 1, 3, capacity, 128, start, 2).ljust(512, b"\0")
    return head + descriptor.encode().ljust(1024, b"\0")


DESCRIPTOR = '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicSparse"\nRW 2048 SPARSE "a.vmdk"\n'


def vdi(kind: int = 1, parent: bytes = b"") -> bytes:
    data = bytearray(1024)
    data[0x40:0x44] = b"\x7f\x10\xda\xbe"
    data[0x4C:0x50] = struct.pack("<I", kind)
    data[0x170:0x178] = struct.pack("<Q", 1 << 30)
    data[0x1A8 : 0x1A8 + len(parent)] = parent
    return bytes(data)


def vpc(kind: int) -> bytes:
    return (b"conectix".ljust(48, b"\0") + struct.pack(">Q", 1 << 30) + b"\0\0\0\0" + struct.pack(">I", kind)).ljust(1024, b"\0")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (qcow2(), Image("qcow2", 1 << 30)),
        (qcow2(version=2), Image("qcow2", 1 << 30)),
        (vmdk(DESCRIPTOR), Image("vmdk", 2048 * 512)),
        (vmdk(DESCRIPTOR.replace("monolithicSparse", "streamOptimized")), Image("vmdk", 2048 * 512)),
        (vdi(), Image("vdi", 1 << 30)),
        (vpc(3), Image("vpc", 1 << 30)),
        (bytes(4096), Image("raw", 4096)),
        (bytes(32769) + b"CD001".ljust(2048, b"\0"), Image("iso", 32769 + 2048)),
        (bytes(32769) + b"BEA01".ljust(2048, b"\0"), Image("iso", 32769 + 2048)),
    ],
)
def test_taken(data: bytes, expected: Image) -> None:
    assert look(data) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (qcow2(backing=512), "backing file"),
        (qcow2(features=0b100), "external data file"),
        (qcow2(extension=struct.pack(">II", 0x44415441, 11) + b"/etc/shadow"), "data file of its own"),
        (qcow2(features=0b10), "corrupt"),
        (qcow2(features=1 << 40), "newer QEMU"),
        (qcow2(crypt=2), "encrypted"),
        (qcow2(version=1), "no qcow2"),
        (qcow2(size=1 << 50), "64 TiB"),
        (qcow2(size=0), "no size"),
        (qcow2(l1=1 << 30), "tables"),
        (b'# Disk DescriptorFile\ncreateType="monolithicFlat"\nRW 100 FLAT "/etc/shadow" 0\n'.ljust(1024, b"\0"), "outside of its folder"),
        (vmdk(DESCRIPTOR, capacity=0), "no disk in it"),
        (vmdk(DESCRIPTOR, start=0), "no disk in it"),
        (vmdk(DESCRIPTOR.replace("monolithicSparse", "monolithicFlat")), "monolithicFlat"),
        (vmdk(DESCRIPTOR.replace("monolithicSparse", "vmfs")), "vmfs"),
        (vmdk(DESCRIPTOR.replace('SPARSE "a.vmdk"', 'FLAT "/etc/shadow" 0')), "other files or devices"),
        (vmdk(DESCRIPTOR + 'RW 2048 SPARSE "/dev/sda"\n'), "other files or devices"),
        (vmdk(DESCRIPTOR.replace("parentCID=ffffffff", "parentCID=12345678")), "differences"),
        (vmdk(DESCRIPTOR + 'parentFileNameHint="/etc/shadow"\n'), "differences"),
        (vdi(4), "differences"),
        (vdi(1, b"\1" * 16), "differences"),
        (vpc(4), "differences"),
        (b"QED\0".ljust(1024, b"\0"), "QED"),
        (b"COWD".ljust(1024, b"\0"), "Old VMware"),
        (b"LUKS\xba\xbe".ljust(1024, b"\0"), "encrypted"),
        (b"\x1f\x8b\x08".ljust(1024, b"\0"), "gzip"),
        (b"\xfd7zXZ\0".ljust(1024, b"\0"), "xz"),
        (b"PK\x03\x04".ljust(1024, b"\0"), "ZIP"),
        (b"vhdxfile".ljust(4096, b"\0"), "VHDX is damaged"),
    ],
)
def test_refused_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        look(data)


@given(st.binary(min_size=1, max_size=2048), st.sampled_from([b"", b"QFI\xfb\0\0\0\3", b"KDMV", b"vhdxfile", b"conectix", b"# Disk DescriptorFile\n"]))
def test_rubbish_is_refused_or_raw_and_nothing_else_happens(rubbish: bytes, magic: bytes) -> None:
    try:
        look(magic + rubbish)
    except Invalid:
        return


def test_a_vhdx_block_outside_of_the_file_is_refused() -> None:
    layout = vhdx.Layout(virtual_bytes=1 << 20, block_bytes=1 << 20, ratio=4096, bat=(0, 8), file_bytes=1 << 20)
    with pytest.raises(Invalid, match="outside"):
        list(vhdx.extents(layout, reading(struct.pack("<Q", (5 << 20) | 6))))
    with pytest.raises(Invalid, match="differences"):
        list(vhdx.extents(layout, reading(struct.pack("<Q", 7))))
    assert list(vhdx.extents(layout, reading(bytes(8)))) == []
