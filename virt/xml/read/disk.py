"""<disk>: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.xml.read.values import attribute, whole


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk, CD-ROM drive or floppy.

    target     "vda"; what the machine's other elements and libvirt's calls name it by
    device     "disk", "cdrom", "floppy", "lun"
    kind       where the data is: "file", "block", "volume", "network", "dir", "nvme", "vhostuser" …
    source     path, "pool/volume", or "protocol:name" of a network disk; "" for an empty drive
    boot_order 0: none of its own
    """

    target: str
    bus: str
    device: str
    kind: str
    source: str
    format: str
    pool: str
    volume: str
    readonly: bool
    shareable: bool
    serial: str
    cache: str
    boot_order: int
    backing_source: str


def read_disk(node: etree._Element) -> Disk:
    """The value of one <disk>."""
    source, target, driver = node.find("source"), node.find("target"), node.find("driver")
    kind = attribute(node, "type")
    return Disk(
        target=attribute(target, "dev"),
        bus=attribute(target, "bus"),
        device=attribute(node, "device") or "disk",
        kind=kind,
        source=_source(source),
        format=attribute(driver, "type"),
        pool=attribute(source, "pool"),
        volume=attribute(source, "volume"),
        readonly=node.find("readonly") is not None,
        shareable=node.find("shareable") is not None,
        serial=(node.findtext("serial") or "").strip(),
        cache=attribute(driver, "cache"),
        boot_order=whole(attribute(node.find("boot"), "order")),
        backing_source=_source(node.find("backingStore/source")),
    )


def _source(source: etree._Element | None) -> str:
    if source is None:
        return ""
    for name in ("file", "dev", "dir", "path"):
        if found := attribute(source, name):
            return found
    if pool := attribute(source, "pool"):
        return f"{pool}/{attribute(source, 'volume')}"
    if protocol := attribute(source, "protocol"):
        return f"{protocol}:{attribute(source, 'name')}"
    return ""
