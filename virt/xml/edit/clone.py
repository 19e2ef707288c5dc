"""The definition of a copy: another name, uuid and MACs, its own disks and UEFI variables; all else as the original has it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from lxml import etree

from virt.xml import tree
from virt.xml.build.own import with_identity


def new_mac() -> str:
    """In QEMU's own range, as libvirt chooses them."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))


def cloned(xml: str, name: str, uuid: str, disks: Mapping[str, tuple[str, str]]) -> str:
    """`xml`: the stored definition. `disks`: target ("vda") → (path, format) of the copy; other disks stay shared: discs, floppies, read-only ones."""
    root = tree.parse(with_identity(xml, name, uuid))
    for node in root.iterfind("devices/disk"):
        target = node.find("target")
        if target is not None and (copy := disks.get(target.get("dev", ""))):
            _point(node, *copy)
    for node in root.iterfind("devices/interface"):
        _set_mac(node)
    for node in root.iterfind("devices/graphics/listen[@type='socket']"):
        _without(node, "socket")
    for node in root.iterfind("devices/channel/source[@mode='bind']"):
        _without(node, "path")
    for node in [*root.iterfind("genid"), *root.iterfind("os/nvram")]:
        _fresh(node)
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def pointed(xml: str, disks: Mapping[str, tuple[str, str]]) -> str:
    """The same machine on other files: target → (path, format)."""
    root = tree.parse(xml)
    for node in root.iterfind("devices/disk"):
        target = node.find("target")
        if target is not None and (place := disks.get(target.get("dev", ""))):
            _point(node, *place, same=True)
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def _point(node: etree._Element, path: str, format: str, *, same: bool = False) -> None:
    source = node.find("source")
    if source is None:
        return
    _without(source, "file", "dev", "pool", "volume", "index", "startupPolicy")
    node.set("type", "block" if path.startswith("/dev/") else "file")
    source.set("dev" if path.startswith("/dev/") else "file", path)
    driver = node.find("driver")
    if driver is None:
        driver = etree.Element("driver", name="qemu")
        node.insert(0, driver)
    driver.set("type", format)
    for tag in ("backingStore", "mirror", *(() if same else ("serial", "wwn"))):
        for extra in node.findall(tag):
            node.remove(extra)


def _set_mac(node: etree._Element) -> None:
    mac = node.find("mac")
    if mac is None:
        mac = etree.Element("mac")
        node.insert(0, mac)
    mac.set("address", new_mac())
    for extra in node.findall("target"):
        node.remove(extra)


def _fresh(node: etree._Element) -> None:
    """libvirt makes them anew: a generation id, and the name of the file for UEFI variables (virt.variables copies what is in it)."""
    parent = node.getparent()
    if node.tag == "nvram":
        node.text = None
        for attribute in list(node.attrib):
            if attribute not in ("template", "templateFormat", "format", "type"):
                del node.attrib[attribute]
        if parent is not None and not node.attrib:
            parent.remove(node)
    else:
        node.text = None


def _without(node: etree._Element, *attributes: str) -> None:
    for name in attributes:
        if name in node.attrib:
            del node.attrib[name]
