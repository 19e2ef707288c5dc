"""What a disk image is, read from its own first bytes: never by asking QEMU to guess, which would follow what the image names.

An image that somebody brings may be made to lead elsewhere: a backing file, a data file, extents in other files make
QEMU open whatever path or address the image says. All of these are refused here, with the reason.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from virt import vhdx, vmdk
from virt.errors import Invalid

Read = Callable[[int, int], bytes]  # (offset, length) → bytes, fewer at the end of the file

MOST_BYTES = 64 * 2**40
CONVERTED_BY_HOST = frozenset({"qcow2", "vmdk", "vdi", "vpc"})  # libvirt's copy of a volume takes these, told explicitly by its pool

_NOT_TAKEN = (
    (b"QED\0", "QED images are not taken. Convert it to qcow2 first."),
    (b"COWD", "Old VMware sparse extents are not taken. Export the machine as OVA, or as one VMDK file."),
    (b"LUKS\xba\xbe", "The image is encrypted (LUKS): it can't be looked into, and is not taken."),
    (b"WithoutFreeSpace", "Parallels images are not taken. Convert it to qcow2 first."),
    (b"WithouFreSpacExt", "Parallels images are not taken. Convert it to qcow2 first."),
    (b"Bochs Virtual HD Image", "Bochs images are not taken."),
    (b"#!/bin/sh\n#V2.0 Format", "cloop images are not taken."),
    (b"\x1f\x8b", "The file is compressed (gzip). Unpack it first."),
    (b"\xfd7zXZ\0", "The file is compressed (xz). Unpack it first."),
    (b"BZh", "The file is compressed (bzip2). Unpack it first."),
    (b"\x28\xb5\x2f\xfd", "The file is compressed (zstd). Unpack it first."),
    (b"PK\x03\x04", "The file is a ZIP archive. Unpack it first."),
    (b"7z\xbc\xaf\x27\x1c", "The file is a 7z archive. Unpack it first."),
)


@dataclass(frozen=True, slots=True)
class Image:
    """`format`: "qcow2", "raw", "iso", "vmdk", "vmdk-split", "vdi", "vpc", "vpc-fixed", "vhdx", "ova". virtual_bytes: the disk that a guest would see."""

    format: str
    virtual_bytes: int


def inspect(read: Read, size: int) -> Image:
    """What the file is. Raises Invalid with the reason for one that is not to be taken."""
    if size <= 0:
        raise Invalid("The file is empty.")
    head = read(0, 1024).ljust(1024, b"\0")
    for magic, words in _NOT_TAKEN:
        if head.startswith(magic):
            raise Invalid(words)
    image = _of(head, read, size)
    if not 0 < image.virtual_bytes <= MOST_BYTES:
        raise Invalid("The image says it is a disk of no size, or of more than 64 TiB.")
    return image


def _of(head: bytes, read: Read, size: int) -> Image:
    if head.startswith(b"QFI\xfb"):
        return _qcow2(head, read)
    if head.startswith(b"KDMV"):
        return _vmdk(head, read)
    if b"# Disk DescriptorFile" in head[:512]:
        return Image("vmdk-split", vmdk_descriptor(read, size).virtual_bytes)
    if head[0x40:0x44] == b"\x7f\x10\xda\xbe":
        return _vdi(head)
    if head.startswith(b"conectix"):
        return _vpc(head)
    if head.startswith(b"vhdxfile"):
        return Image("vhdx", vhdx.read_layout(read, size).virtual_bytes)
    if head[257:262] == b"ustar":
        return Image("ova", size)
    if size >= 1024 and (tail := read(size - 512, 512)).startswith(b"conectix"):
        return _vpc_fixed(tail, size)
    if read(32769, 5) in (b"CD001", b"BEA01"):  # ISO 9660; UDF alone
        return Image("iso", size)
    return Image("raw", size)


def _qcow2(head: bytes, read: Read) -> Image:
    """https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.txt"""
    version, backing_offset, _, cluster_bits, virtual, crypt, l1_size = struct.unpack_from(">IQIIQII", head, 4)
    if version not in (2, 3) or not 9 <= cluster_bits <= 21:
        raise Invalid("This is no qcow2 image that is understood here (version 2 or 3).")
    if backing_offset:
        raise Invalid("The image only holds the differences to another file (a backing file). Bring it in one piece.")
    if crypt:
        raise Invalid("The image is encrypted: it can't be looked into, and is not taken.")
    if l1_size > 4 * 2**20:
        raise Invalid("The image's tables are larger than any real image's.")
    if version == 3:
        (features,) = struct.unpack_from(">Q", head, 72)
        if features & 0b100:
            raise Invalid("The image keeps its data in another file (an external data file). Bring it in one piece.")
        if features & 0b10:
            raise Invalid("The image is marked as corrupt.")
        if features & ~0b11011:
            raise Invalid("The image needs features of a newer QEMU.")
        _refuse_data_file(read, struct.unpack_from(">I", head, 100)[0])
    return Image("qcow2", virtual)


def _refuse_data_file(read: Read, offset: int) -> None:
    """A header extension may name a data file although no feature says so."""
    for _ in range(64):
        kind, length = struct.unpack(">II", (read(offset, 8) + bytes(8))[:8])
        if kind == 0x44415441:
            raise Invalid("The image names a data file of its own. Bring it in one piece.")
        if kind == 0 or offset > 2**21:
            return
        offset += 8 + (length + 7) // 8 * 8
    raise Invalid("The image's header has more parts than any real image's.")


def _vmdk(head: bytes, read: Read) -> Image:
    """https://www.vmware.com/app/vmdk/?src=vmdk: a sparse extent with its descriptor inside."""
    _version, _flags, capacity, _grain, start, length = struct.unpack_from("<IIQQQQ", head, 4)
    if not capacity or not start or not 0 < length * vmdk.SECTOR <= vmdk.LONGEST_DESCRIPTOR:
        raise Invalid("This VMDK has no disk in it, or no description of itself: it is a part of one. Choose the file that names its parts.")
    text = read(start * vmdk.SECTOR, length * vmdk.SECTOR).split(b"\0")[0].decode("latin-1")
    values = vmdk.values_of(text)
    kind = values.get("createType", "")
    if kind not in ("monolithicSparse", "streamOptimized"):
        raise Invalid(f"A VMDK of the kind “{kind[:40]}” is not taken: only one file with its data in it (monolithicSparse, streamOptimized).")
    vmdk.refuse_parent(values)
    extents = re.findall(r"(?m)^\s*(?:RW|RDONLY|NOACCESS)\s+(\d+)\s+(\S+)", text)
    if len(extents) != 1 or extents[0][1] != "SPARSE":
        raise Invalid("The VMDK names other files or devices as its data. Bring it in one piece.")
    return Image("vmdk", capacity * vmdk.SECTOR)


def vmdk_descriptor(read: Read, size: int) -> vmdk.Descriptor:
    """Of an image "vmdk-split": which files hold it."""
    if size > vmdk.LONGEST_DESCRIPTOR:
        raise Invalid("This VMDK's description is longer than any real one's.")
    return vmdk.read_descriptor(read(0, size).split(b"\0")[0].decode("utf-8", "replace"))


def _vdi(head: bytes) -> Image:
    """https://forums.virtualbox.org/viewtopic.php?t=8046"""
    (kind,) = struct.unpack_from("<I", head, 0x4C)
    if kind not in (1, 2) or any(head[0x1A8:0x1C8]):
        raise Invalid("The VDI only holds the differences to another file (a snapshot). Bring it in one piece.")
    return Image("vdi", struct.unpack_from("<Q", head, 0x170)[0])


def _vpc(head: bytes) -> Image:
    size, kind = struct.unpack_from(">Q", head, 48)[0], struct.unpack_from(">I", head, 60)[0]
    if kind != 3:
        raise Invalid("The VHD only holds the differences to another file. Bring it in one piece.")
    return Image("vpc", size)


def _vpc_fixed(tail: bytes, size: int) -> Image:
    """The disk as it is, and a footer."""
    virtual, kind = struct.unpack_from(">Q", tail, 48)[0], struct.unpack_from(">I", tail, 60)[0]
    if kind != 2 or virtual > size - 512:
        raise Invalid("The VHD is damaged, or only holds the differences to another file.")
    return Image("vpc-fixed", size - 512)
