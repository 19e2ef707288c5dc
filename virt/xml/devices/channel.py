"""<channel>: a private line between host and guest, above all to the guest agent."""

from __future__ import annotations

import re

from lxml import etree

from virt.xml.devices.chardev import End
from virt.xml.devices.kind import Field, Kind
from virt.xml.read.channel import AGENT
from virt.xml.read.values import attribute

_TYPES = (
    ("unix", "Socket that libvirt makes"),
    ("spicevmc", "SPICE agent"),
    ("qemu-vdagent", "Clipboard for VNC"),
    ("spiceport", "SPICE port"),
    ("pty", "pty"),
    ("null", "Nowhere"),
)
_NAMES = (
    (AGENT, "Guest agent (org.qemu.guest_agent.0)"),
    ("com.redhat.spice.0", "SPICE agent (com.redhat.spice.0)"),
    ("org.spice-space.webdav.0", "SPICE folder sharing"),
)


def _name(node: etree._Element) -> str:
    name = attribute(node.find("target"), "name")
    return {AGENT: "Guest agent", "com.redhat.spice.0": "SPICE agent"}.get(name, f"Channel {name}".strip())


def name_problem(value: str) -> str:
    return "" if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", value) else "Letters, digits and . _ -"


KIND = Kind(
    name="channel",
    title="Channel",
    icon="message",
    group="other",
    tag="channel",
    owns=lambda node: attribute(node.find("target"), "type") == "virtio",
    most=30,
    name_of=_name,
    summary=lambda node: node.get("type") or "",
    hotplug=lambda node: node.get("type") in ("unix", "pty", "spicevmc"),
    blank=(("target/@type", "virtio"),),
    fields=(
        Field("type", "Host side", End(), "choice", _TYPES, default="unix", required=True, free=True),
        Field("name", "Name in the guest", "target/@name", "choice", _NAMES, default=AGENT, required=True, free=True, check=name_problem),
    ),
)
