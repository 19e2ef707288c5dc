"""<volume>: https://libvirt.org/formatstorage.html#storage-volume-xml"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse
from virt.xml.read.values import attribute, size_bytes, text


@dataclass(frozen=True, slots=True)
class VolumeDefinition:
    """A volume as libvirt describes it.

    kind      "file", "block", "dir", "network", "netdir"
    format    as libvirt found or was told it: "qcow2", "raw", "iso" …; never to be trusted as what a machine shall use
    backing_* what it only holds the differences to; "" for one that stands alone
    """

    name: str
    key: str
    kind: str
    path: str
    format: str
    capacity_bytes: int
    allocation_bytes: int
    backing_path: str
    backing_format: str
    encrypted: bool


def read_volume(xml: str) -> VolumeDefinition:
    """The value of a volume's XML. Raises Invalid when it is not a volume."""
    root = parse(xml)
    if root.tag != "volume":
        raise Invalid("This is not the XML of a volume.", f"<{root.tag}>")
    return VolumeDefinition(
        name=text(root, "name"),
        key=text(root, "key"),
        kind=attribute(root, "type") or "file",
        path=text(root, "target/path"),
        format=attribute(root.find("target/format"), "type"),
        capacity_bytes=_bytes(root, "capacity"),
        allocation_bytes=_bytes(root, "allocation"),
        backing_path=text(root, "backingStore/path"),
        backing_format=attribute(root.find("backingStore/format"), "type"),
        encrypted=root.find("target/encryption") is not None,
    )


def read_modified(xml: str) -> str:
    """When its file was last written to, in seconds since 1970 with their fraction; "" where libvirt does not tell."""
    return text(parse(xml), "target/timestamps/mtime")


def _bytes(root: etree._Element, tag: str) -> int:
    """Volumes mean bytes where no unit is given, unlike machines."""
    node = root.find(tag)
    if node is None:
        return 0
    if not node.get("unit"):
        node.set("unit", "bytes")
    return size_bytes(node)
