"""The XML with which libvirt is asked for a snapshot, and edits of that which it keeps. https://libvirt.org/formatsnapshot.html"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse

LONGEST_NAME = 80
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]*")


@dataclass(frozen=True, slots=True)
class WantedDisk:
    """`overlay`: the new file of an external one; "" takes it internally; None leaves the disk out."""

    target: str
    overlay: str | None


def name_problem(name: str) -> str:
    """Why a snapshot can't be called so, "" when it can: files are named after it, so it is stricter than libvirt."""
    if len(name) > LONGEST_NAME:
        return f"At most {LONGEST_NAME} characters."
    if not _NAME.fullmatch(name) or name != name.strip():
        return "Letters, digits, “.”, “_”, “-” and blanks, beginning with a letter or digit."
    return ""


def build_xml(*, name: str, description: str, memory: str, disks: list[WantedDisk]) -> str:
    """A snapshot to take. `memory`: "internal", "no", or the path of the file to write it to. Raises Invalid for a name that won't do."""
    if problem := name_problem(name):
        raise Invalid(problem)
    root = etree.Element("domainsnapshot")
    etree.SubElement(root, "name").text = name
    if description:
        etree.SubElement(root, "description").text = _printable(description)
    kept = etree.SubElement(root, "memory", snapshot=memory if memory in ("internal", "no") else "external")
    if memory not in ("internal", "no"):
        kept.set("file", memory)
    listed = etree.SubElement(root, "disks")
    for disk in disks:
        kind = "no" if disk.overlay is None else "external" if disk.overlay else "internal"
        node = etree.SubElement(listed, "disk", name=disk.target, snapshot=kind)
        if disk.overlay:
            etree.SubElement(node, "driver", type="qcow2")
            etree.SubElement(node, "source", file=disk.overlay)
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def described(xml: str, description: str) -> str:
    """The snapshot with another description."""
    root = parse(xml)
    found = root.find("description")
    if found is None:
        found = etree.Element("description")
        root.insert(1, found)
    found.text = _printable(description)
    return etree.tostring(root, encoding="unicode")


def moved(xml: str, sources: Mapping[str, str]) -> str:
    """The snapshot after files it rests on were merged into others: {old path: path that holds the same data now}."""
    root = parse(xml)
    for place in ("domain", "inactiveDomain"):
        for node in root.iterfind(f"{place}/devices/disk"):
            source = node.find("source")
            if source is not None and source.get("file") in sources:
                _forget_backing(node)
                source.set("file", sources[source.get("file", "")])
    return etree.tostring(root, encoding="unicode")


def domain_then(xml: str, *, stored: bool, name: str, adjust: Callable[[etree._Element, str], None]) -> str:
    """The machine as it was defined at that moment: the definition in force then, or with `stored` the one for its next start.

    `name`: it may have been renamed since. `adjust(disk element, target)` says where each disk lies now. Raises Invalid without a definition.
    """
    root = parse(xml)
    found = root.find("inactiveDomain") if stored and root.find("inactiveDomain") is not None else root.find("domain")
    if found is None:
        raise Invalid("The host did not keep the machine's definition with this snapshot.")
    domain = copy.deepcopy(found)
    domain.tag = "domain"
    domain.attrib.pop("id", "")
    known_as = domain.find("name")
    if known_as is not None:
        known_as.text = name
    for node in domain.iterfind("devices/disk"):
        target = node.find("target")
        adjust(node, target.get("dev", "") if target is not None else "")
    return etree.tostring(domain, encoding="unicode")


def point_at(disk: etree._Element, path: str, kind: str = "qcow2") -> None:
    """Let a <disk> be that file. What libvirt knew of its backing files is forgotten: it looks again."""
    _forget_backing(disk)
    disk.set("type", "file")
    source = disk.find("source")
    if source is None:
        source = etree.SubElement(disk, "source")
    source.attrib.clear()
    source.set("file", path)
    driver = disk.find("driver")
    if driver is None:
        driver = etree.Element("driver", name="qemu")
        disk.insert(0, driver)
    driver.set("type", kind)


def _forget_backing(disk: etree._Element) -> None:
    for node in disk.findall("backingStore"):
        disk.remove(node)


def _printable(text: str) -> str:
    """XML holds no control characters."""
    return "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())
