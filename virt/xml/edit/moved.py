"""A definition for another host: the same machine, with files where that host has them."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from virt.xml.parse import parse
from virt.xml.read.values import attribute

_PLACES = ("file", "dev", "pool", "volume", "dir", "mode", "startupPolicy", "index")


def with_disks_at(xml: str, paths: Mapping[str, str]) -> str:
    """The definition with disks ("vda") at other paths; what the disk rested on is not said any more. Nothing else is touched."""
    root = parse(xml)
    for disk in root.iterfind("devices/disk"):
        path = paths.get(attribute(disk.find("target"), "dev"))
        if path is None:
            continue
        source = disk.find("source")
        if source is None:
            source = etree.SubElement(disk, "source")
        for name in _PLACES:
            if name in source.attrib:
                del source.attrib[name]
        is_block = path.startswith("/dev/")
        disk.set("type", "block" if is_block else "file")
        source.set("dev" if is_block else "file", path)
        for node in disk.findall("backingStore"):
            disk.remove(node)
    return etree.tostring(root, encoding="unicode")
