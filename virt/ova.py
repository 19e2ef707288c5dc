"""OVA: a tar archive with a machine's description (OVF) and its disks. https://www.dmtf.org/standards/ovf

The archive is read where it lies, a few bytes at a time; nothing is ever unpacked to a path that it names, so that
nothing can escape, and no member is larger than the archive, so that nothing can explode.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse

Read = Callable[[int, int], bytes]

_BLOCK = 512
_MOST_MEMBERS = 100
_LONGEST_TEXT = 2 * 2**20
_MANIFEST = re.compile(r"(?m)^(SHA1|SHA256|SHA512)\s*\(([^)\r\n]+)\)\s*=\s*([0-9a-fA-F]+)\s*$")
_UNITS = re.compile(r"byte(?:\s*\*\s*(?:(\d+)\s*\^\s*(\d+)|(\d+)))?")
_OLD_UNITS = {"bytes": 1, "kilobytes": 2**10, "megabytes": 2**20, "gigabytes": 2**30}
_CPU, _MEMORY, _IDE, _SCSI, _NIC, _DISK, _SATA = 3, 4, 5, 6, 10, 17, 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive: `length` bytes at `offset`."""

    name: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class OvfDisk:
    """`file`: the member's name, "" for an empty disk to be made. `controller`: "sata", "ide", "scsi", with its model as the archive calls it."""

    name: str
    file: str
    capacity_bytes: int
    controller: str = "sata"
    model: str = ""


@dataclass(frozen=True, slots=True)
class OvfNic:
    network: str
    model: str = ""
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Ovf:
    """A machine as an archive describes it. `firmware`: "bios", "efi", "secure"; `os`: the kind of system in the archive's words."""

    name: str
    vcpus: int
    memory_bytes: int
    firmware: str = "bios"
    os: str = ""
    disks: tuple[OvfDisk, ...] = ()
    nics: tuple[OvfNic, ...] = ()


@dataclass(frozen=True, slots=True)
class Archive:
    """`digests`: member → (algorithm, hex), as its manifest says."""

    members: dict[str, Member]
    ovf: Ovf
    digests: dict[str, tuple[str, str]] = field(default_factory=dict)


def read_archive(read: Read, size: int) -> Archive:
    """Raises Invalid with the reason for one that is not to be taken."""
    members = {member.name: member for member in _members(read, size)}
    ovf_name = next((name for name in members if name.lower().endswith(".ovf")), "")
    if not ovf_name:
        raise Invalid("The archive has no description of a machine (.ovf) in it.")
    ovf = read_ovf(_text(read, members[ovf_name]))
    for disk in ovf.disks:
        if disk.file and disk.file not in members:
            raise Invalid(f"The archive's description names a disk that is not in it: {disk.file[:100]}")
    manifest = next((member for name, member in members.items() if name.lower().endswith(".mf")), None)
    return Archive(members, ovf, _digests(_text(read, manifest)) if manifest else {})


# ── tar ──


def _members(read: Read, size: int) -> list[Member]:
    found: list[Member] = []
    offset = 0
    while offset + _BLOCK <= size:
        header = read(offset, _BLOCK)
        if len(header) < _BLOCK or not any(header):
            break
        _check(header)
        kind, length = header[156:157], _number(header[124:136])
        offset += _BLOCK
        if length < 0 or offset + length > size:
            raise Invalid("The archive is damaged: a file in it is longer than the archive itself.")
        if kind in (b"0", b"\0"):
            name = _safe_name(header)
            if any(member.name == name for member in found):
                raise Invalid(f"The archive has {name} twice.")
            found.append(Member(name, offset, length))
        elif kind not in (b"g", b"x"):  # words about the next file, which we need not know
            raise Invalid("The archive has something other than plain files in it: links, devices or directories are not taken.")
        if len(found) > _MOST_MEMBERS:
            raise Invalid(f"The archive has more than {_MOST_MEMBERS} files in it.")
        offset += -(-length // _BLOCK) * _BLOCK
    return found


def _check(header: bytes) -> None:
    said = _number(header[148:156])
    if header[257:262] != b"ustar" or said != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        raise Invalid("The archive is damaged, or no tar archive.")


def _number(data: bytes) -> int:
    """Octal digits; or, for large ones, binary with the first bit set."""
    if data[0] & 0x80:
        return int.from_bytes(bytes([data[0] & 0x7F]) + data[1:], "big")
    text = data.strip(b"\0 ")
    if text and not re.fullmatch(rb"[0-7]+", text):
        raise Invalid("The archive is damaged: a number in it is none.")
    return int(text or b"0", 8)


def _safe_name(header: bytes) -> str:
    name, prefix = (part.split(b"\0")[0] for part in (header[:100], header[345:500]))
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = ""
    if prefix or not text or "/" in text or "\\" in text or text in (".", "..") or not text.isprintable():
        raise Invalid("The archive has a file whose name leads elsewhere: an OVA holds plain files side by side.")
    return text


def _text(read: Read, member: Member) -> str:
    if member.length > _LONGEST_TEXT:
        raise Invalid(f"{member.name} is longer than 2 MiB.")
    return read(member.offset, member.length).decode("utf-8-sig", errors="replace")


def _digests(manifest: str) -> dict[str, tuple[str, str]]:
    return {name: (kind.lower(), digest.lower()) for kind, name, digest in _MANIFEST.findall(manifest)}


# ── OVF ──


def read_ovf(text: str) -> Ovf:
    """Raises Invalid for XML with a document type, several machines, or what can't be taken over."""
    root = parse(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    if _local(root) != "Envelope":
        raise Invalid("The description in the archive is no OVF.")
    systems = [node for node in root.iter() if _local(node) == "VirtualSystem"]
    if len(systems) != 1:
        raise Invalid(f"The archive describes {len(systems)} machines; one is taken at a time.")
    system = systems[0]
    items = [_item(node) for node in system.iter() if _local(node) in ("Item", "StorageItem", "EthernetPortItem")]
    return Ovf(
        name=_child_text(system, "Name") or _attribute(system, "id"),
        vcpus=max(1, min(4096, _whole(next((item.get("VirtualQuantity", "1") for item in items if _kind(item) == _CPU), "1")))),
        memory_bytes=_memory(items),
        firmware=_firmware(system),
        os=_os(system),
        disks=_disks(root, items),
        nics=tuple(
            OvfNic(item.get("Connection", "")[:100], item.get("ResourceSubType", ""), _mac(item.get("Address", ""))) for item in items if _kind(item) == _NIC
        ),
    )


def _item(node: etree._Element) -> dict[str, str]:
    return {_local(each): (each.text or "").strip() for each in node}


def _kind(item: dict[str, str]) -> int:
    return _whole(item.get("ResourceType", "0"))


def _memory(items: list[dict[str, str]]) -> int:
    item = next((item for item in items if _kind(item) == _MEMORY), None)
    if item is None:
        return 2**30
    return max(2**20, min(2**46, _whole(item.get("VirtualQuantity", "0")) * _unit(item.get("AllocationUnits", "MegaBytes"), 2**20)))


def _disks(root: etree._Element, items: list[dict[str, str]]) -> tuple[OvfDisk, ...]:
    files = {_attribute(node, "id"): node for node in root.iter() if _local(node) == "File"}
    described = {_attribute(node, "diskId"): node for node in root.iter() if _local(node) == "Disk" and _attribute(node, "diskId")}
    controllers = {item.get("InstanceID", ""): item for item in items if _kind(item) in (_IDE, _SCSI, _SATA)}
    found = []
    for item in (item for item in items if _kind(item) == _DISK):
        disk = described.get(item.get("HostResource", "").rpartition("/")[2])
        if disk is None:
            raise Invalid("The archive's description has a disk that it does not describe.")
        controller = controllers.get(item.get("Parent", ""), {})
        capacity = _whole(_attribute(disk, "capacity")) * _unit(_attribute(disk, "capacityAllocationUnits") or "byte", 1)
        bus = {_IDE: "ide", _SCSI: "scsi"}.get(_kind(controller), "sata")
        file = _file_of(disk, files)
        found.append(OvfDisk(item.get("ElementName", "")[:100], file, capacity, bus, controller.get("ResourceSubType", "")))
    return tuple(found)


def _file_of(disk: etree._Element, files: dict[str, etree._Element]) -> str:
    if _attribute(disk, "parentRef"):
        raise Invalid("A disk of the archive only holds the differences to another one.")
    reference = _attribute(disk, "fileRef")
    if not reference:
        return ""
    if reference not in files:
        raise Invalid("The archive's description names a file that it does not list.")
    if _attribute(files[reference], "compression") not in ("", "identity"):
        raise Invalid("A disk of the archive is compressed as a whole (gzip), which is not taken. Export it without compression.")
    href = _attribute(files[reference], "href")
    if "/" in href or "\\" in href or ":" in href or not href:
        raise Invalid("The archive's description names a file outside of it.")
    return href


def _firmware(system: etree._Element) -> str:
    """VMware says it in vmw:Config, VirtualBox in its own part."""
    settings = {_attribute(node, "key"): _attribute(node, "value").lower() for node in system.iter() if _local(node) in ("Config", "ExtraConfig")}
    if settings.get("firmware") == "efi":
        return "secure" if settings.get("bootOptions.efiSecureBootEnabled") == "true" else "efi"
    own = next((node for node in system.iter() if _local(node) == "Firmware"), None)
    return "efi" if own is not None and _attribute(own, "type").upper().startswith("EFI") else "bios"


def _os(system: etree._Element) -> str:
    section = next((node for node in system.iter() if _local(node) == "OperatingSystemSection"), None)
    if section is None:
        return ""
    return (_attribute(section, "osType") or _child_text(section, "Description"))[:100]


def _unit(text: str, usual: int) -> int:
    """ "byte * 2^20", "MegaBytes" """
    plain = text.strip().lower()
    if plain in _OLD_UNITS:
        return _OLD_UNITS[plain]
    found = _UNITS.fullmatch(plain)
    if not found:
        return usual
    if found[1]:
        return int(found[1]) ** min(int(found[2]), 60) if int(found[1]) <= 1024 else usual
    return int(found[3] or 1)


def _mac(text: str) -> str:
    plain = text.strip().lower().replace("-", ":")
    return plain if re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", plain) and not int(plain[:2], 16) & 1 else ""


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def _local(node: etree._Element) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def _attribute(node: etree._Element, name: str) -> str:
    """Whatever its namespace: writers differ."""
    return next((str(value) for key, value in node.attrib.items() if etree.QName(key).localname == name), "")


def _child_text(node: etree._Element, name: str) -> str:
    return next(((each.text or "").strip()[:200] for each in node if _local(each) == name), "")
