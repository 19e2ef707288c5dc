"""<pool>: https://libvirt.org/formatstorage.html"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse
from virt.xml.read.values import attribute, text


@dataclass(frozen=True, slots=True)
class PoolDefinition:
    """What a pool is made of.

    kind     "dir", "logical", "netfs" …
    path     where its volumes are on the host; "" for those that have no place there (rbd)
    format   of its source: "nfs", "lvm2", "ext4" …
    hosts    "store.example" or "store.example:3260"; directory, devices, name: the other halves of a source
    """

    name: str
    uuid: str
    kind: str
    path: str
    format: str
    hosts: tuple[str, ...]
    directory: str
    devices: tuple[str, ...]
    source_name: str

    @property
    def source(self) -> str:
        """The source in one line, the same for two hosts that use the same store; "" for what is the host's own directory."""
        place = self.directory or ", ".join(self.devices)
        if self.hosts:
            return f"{','.join(self.hosts)}:{place or self.source_name}"
        return self.source_name or place


def read_pool(xml: str) -> PoolDefinition:
    """The value of a pool's XML. Raises Invalid when it is not a pool."""
    root = parse(xml)
    if root.tag != "pool":
        raise Invalid("This is not the XML of a pool.", f"<{root.tag}>")
    source = root.find("source")
    if source is None:
        source = etree.Element("source")
    return PoolDefinition(
        name=text(root, "name"),
        uuid=text(root, "uuid"),
        kind=attribute(root, "type"),
        path=text(root, "target/path"),
        format=attribute(source.find("format"), "type"),
        hosts=tuple(_host(node) for node in source.iterfind("host")),
        directory=attribute(source.find("dir"), "path"),
        devices=tuple(attribute(node, "path") for node in source.iterfind("device")),
        source_name=text(source, "name"),
    )


def definition_of(xml: str) -> str:
    """The same without the figures, which change all the time and are no part of what was defined; nor white space that says nothing."""
    root = parse(xml)
    for tag in ("capacity", "allocation", "available"):
        for node in root.findall(tag):
            root.remove(node)
    for node in root.iter():
        if len(node) or not (node.text or "").strip():
            node.text = None
        node.tail = None
    etree.indent(root, space="  ")
    return etree.tostring(root, encoding="unicode")


def read_pool_login(xml: str) -> str:
    """The uuid of the secret that it signs in with, "" for none."""
    return attribute(parse(xml).find("source/auth/secret"), "uuid")


def read_pool_kind(xml: str) -> str:
    """ "dir", "logical", "netfs" …"""
    return attribute(parse(xml), "type")


def _host(node: etree._Element) -> str:
    name, port = attribute(node, "name"), attribute(node, "port")
    return f"{name}:{port}" if port and port != "0" else name
