"""<interface>: https://libvirt.org/formatdomain.html#network-interfaces"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.xml.read.values import attribute, whole


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card.

    kind      "network", "bridge", "direct", "user", "ethernet", "hostdev", "vdpa" …
    source    name of the network, bridge or host device it is plugged into
    target    the host's end ("vnet3"), only while running
    portgroup of a network, "" without
    """

    mac: str
    kind: str
    source: str
    model: str
    target: str
    link_up: bool
    portgroup: str
    vlan: tuple[int, ...]
    filter: str
    boot_order: int


def read_nic(node: etree._Element) -> Nic:
    """The value of one <interface>."""
    source = node.find("source")
    return Nic(
        mac=attribute(node.find("mac"), "address").lower(),
        kind=attribute(node, "type"),
        source=_source(source),
        model=attribute(node.find("model"), "type"),
        target=attribute(node.find("target"), "dev"),
        link_up=attribute(node.find("link"), "state") != "down",
        portgroup=attribute(source, "portgroup"),
        vlan=tuple(whole(attribute(tag, "id")) for tag in node.iterfind("vlan/tag")),
        filter=attribute(node.find("filterref"), "filter"),
        boot_order=whole(attribute(node.find("boot"), "order")),
    )


def _source(source: etree._Element | None) -> str:
    for name in ("network", "bridge", "dev", "path"):
        if found := attribute(source, name):
            return found
    return ""
