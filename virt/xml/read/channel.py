"""<channel>: https://libvirt.org/formatdomain.html#channel"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.xml.read.values import attribute

AGENT = "org.qemu.guest_agent.0"


@dataclass(frozen=True, slots=True)
class Channel:
    """A private line between guest and host; `connected`: somebody in the guest has opened it (live only)."""

    name: str
    kind: str
    connected: bool


def read_channel(node: etree._Element) -> Channel:
    """The value of one <channel>."""
    target = node.find("target")
    return Channel(
        name=attribute(target, "name"),
        kind=attribute(node, "type"),
        connected=attribute(target, "state") == "connected",
    )
