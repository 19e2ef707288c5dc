"""Machines stand in the host's own network, by a bridge that the host has already."""

from __future__ import annotations

from lxml import etree

from virt.xml.networks.common import HOST_APART, HOST_BRIDGE, LIMITS, limits_problems
from virt.xml.networks.mode import Mode, Section
from virt.xml.networks.slots import set_forward


def _enter(root: etree._Element) -> None:
    set_forward(root, "bridge")


MODE = Mode(
    name="bridge",
    title="Bridge",
    text="A bridge that the host has",
    icon="share",
    sections=(Section("host", "Host", "", (HOST_BRIDGE, HOST_APART)), LIMITS),
    enter=_enter,
    parts=("portgroup",),
    check=limits_problems,
)
