"""<domainsnapshot>: https://libvirt.org/formatsnapshot.html"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse
from virt.xml.read.disk import Disk, read_disk
from virt.xml.read.values import attribute, size_bytes, text, whole


@dataclass(frozen=True, slots=True)
class SnapshotDisk:
    """A disk as a snapshot keeps it.

    kind      "internal": inside its qcow2 file; "external": its file was frozen; "no": the snapshot leaves it out
    overlay   external: the file that the machine went on to write, "" otherwise
    held      the file in which the disk's data of that moment lie (frozen, or holding the internal snapshot); "" if unknown
    """

    target: str
    kind: str
    overlay: str
    held: str
    held_format: str


@dataclass(frozen=True, slots=True)
class SnapshotDefinition:
    """What libvirt keeps of a snapshot.

    created_at    seconds since 1970
    state         of the machine then: "running", "paused", "shutoff"; "disk-snapshot" when only disks of a running one were taken
    memory        "internal", "external" or "no" · memory_file   where external memory lies
    vcpus, memory_bytes   of the machine's definition then, 0 when libvirt did not keep it
    """

    name: str
    parent: str
    description: str
    created_at: int
    state: str
    memory: str
    memory_file: str
    disks: tuple[SnapshotDisk, ...]
    vcpus: int
    memory_bytes: int

    @property
    def is_external(self) -> bool:
        return self.memory == "external" or any(disk.kind == "external" for disk in self.disks)

    @property
    def has_memory(self) -> bool:
        return self.memory in ("internal", "external")


def read_snapshot(xml: str) -> SnapshotDefinition:
    """The value of a snapshot's XML. Raises Invalid when it is none."""
    root = parse(xml)
    if root.tag != "domainsnapshot":
        raise Invalid("This is not the XML of a snapshot.", f"<{root.tag}>")
    domain, memory, state = root.find("domain"), root.find("memory"), text(root, "state")
    then = {disk.target: disk for disk in (map(read_disk, domain.iterfind("devices/disk")) if domain is not None else ())}
    return SnapshotDefinition(
        name=text(root, "name"),
        parent=text(root, "parent/name"),
        description=text(root, "description"),
        created_at=whole(text(root, "creationTime")),
        state=state,
        # libvirt's test driver says nothing about memory
        memory=attribute(memory, "snapshot") or ("internal" if state in ("running", "paused") else "no"),
        memory_file=attribute(memory, "file"),
        disks=tuple(_disk(node, then) for node in root.iterfind("disks/disk")),
        vcpus=whole(text(domain, "vcpu")),
        memory_bytes=size_bytes(domain.find("memory")) if domain is not None else 0,
    )


def _disk(node: etree._Element, then: dict[str, Disk]) -> SnapshotDisk:
    target, kind = attribute(node, "name"), attribute(node, "snapshot") or "internal"
    disk = then.get(target)
    return SnapshotDisk(
        target=target,
        kind=kind,
        overlay=attribute(node.find("source"), "file") if kind == "external" else "",
        held=disk.source if disk and kind != "no" else "",
        held_format=disk.format if disk else "",
    )
