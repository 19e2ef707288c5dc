"""Archives can't escape nor explode, and their description is data."""

from __future__ import annotations

import io
import tarfile

import pytest

from tests.lab.images import OVF
from virt import ova
from virt.errors import Invalid

TEXT = OVF.format(size=512, memory=256)


def archive(*members: tuple[str, bytes], **more: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.type = more.get("type", tarfile.REGTYPE)
            info.linkname = "/etc/shadow" if "type" in more else ""
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def read(data: bytes) -> ova.Archive:
    return ova.read_archive(lambda offset, length: data[offset : offset + length], len(data))


GOOD = (("tiny.ovf", TEXT.encode()), ("tiny-disk1.vmdk", b"x" * 700))


def test_its_hardware_is_taken_over() -> None:
    found = read(archive(*GOOD, ("tiny.mf", b"SHA256(tiny-disk1.vmdk)= ABCDEF\n")))
    assert (found.ovf.name, found.ovf.vcpus, found.ovf.memory_bytes, found.ovf.firmware) == ("tiny from VMware", 2, 256 << 20, "bios")
    first, second = found.ovf.disks
    assert (first.file, first.capacity_bytes, first.controller, first.model) == ("tiny-disk1.vmdk", 19922944, "scsi", "VirtualSCSI")
    assert (second.file, second.capacity_bytes) == ("", 1 << 30)
    assert [(nic.network, nic.model) for nic in found.ovf.nics] == [("VM Network", "E1000")]
    assert found.members["tiny-disk1.vmdk"].length == 700
    assert found.digests == {"tiny-disk1.vmdk": ("sha256", "abcdef")}


def test_uefi_is_seen() -> None:
    assert ova.read_ovf(TEXT.replace('vmw:value="bios"', 'vmw:value="efi"')).firmware == "efi"


@pytest.mark.parametrize("name", ["../evil.vmdk", "/etc/passwd", "a/b.vmdk", "..", "a\\b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="leads elsewhere"):
        read(archive(*GOOD, (name, b"x")))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_plain_files(kind: bytes) -> None:
    with pytest.raises(Invalid, match="plain files"):
        read(archive(("link", b""), type=kind))


def test_a_member_longer_than_the_archive_is_refused() -> None:
    data = bytearray(archive(*GOOD))
    data[124:136] = b"77777777777\0"
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    with pytest.raises(Invalid, match="longer than the archive"):
        read(bytes(data))


def test_a_thousand_members_are_refused() -> None:
    with pytest.raises(Invalid, match="more than"):
        read(archive(*[(f"f{number}", b"") for number in range(200)]))


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("<Envelope", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/shadow">]><Envelope', "document type|can't be read"),
        ('ovf:href="tiny-disk1.vmdk"', 'ovf:href="/etc/shadow"', "outside"),
        ('ovf:href="tiny-disk1.vmdk"', 'ovf:href="http://example.org/x.vmdk"', "outside"),
        ('ovf:href="tiny-disk1.vmdk"', 'ovf:href="missing.vmdk"', "not in it"),
        ('ovf:id="file1"', 'ovf:id="file1" ovf:compression="gzip"', "compressed"),
        ('ovf:diskId="vmdisk1"', 'ovf:diskId="vmdisk1" ovf:parentRef="x"', "differences"),
        ("<Envelope", "<Other", "can't be read"),
    ],
)
def test_a_description_that_is_not_taken(before: str, after: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        read(archive(("tiny.ovf", TEXT.replace(before, after, 1).encode()), GOOD[1]))


def test_what_is_no_archive() -> None:
    with pytest.raises(Invalid):
        read(b"x" * 5000)
    with pytest.raises(Invalid, match="no description"):
        read(archive(GOOD[1]))
