"""<network>: https://libvirt.org/formatnetwork.html"""

from __future__ import annotations

from dataclasses import dataclass

from virt.xml.parse import parse
from virt.xml.read.values import attribute


@dataclass(frozen=True, slots=True)
class NetworkLink:
    """How a network reaches the world: `forward` "nat", "route", "open", "bridge" …, "isolated" without any."""

    forward: str
    bridge: str


def read_network_link(xml: str) -> NetworkLink:
    """The value of a network's XML."""
    root = parse(xml)
    forward = root.find("forward")
    mode = "isolated" if forward is None else attribute(forward, "mode") or "nat"
    return NetworkLink(forward=mode, bridge=attribute(root.find("bridge"), "name"))
