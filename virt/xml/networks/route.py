"""Machines are reached by their own addresses, as far as routers outside know the way to the host; libvirt's firewall lets nothing else in."""

from __future__ import annotations

from lxml import etree

from virt.xml.networks.common import DEVICE, DNS, IPV4, IPV6, LIMITS, OWN_BRIDGE, OWN_PARTS, addresses_needed, enter_own
from virt.xml.networks.mode import Mode, Section


def _enter(root: etree._Element) -> None:
    enter_own(root, "route", keeps_device=True)


MODE = Mode(
    name="route",
    title="Routed",
    text="Reached by own addresses",
    icon="arrows-right-left",
    sections=(IPV4, IPV6, Section("out", "Way out", "", (DEVICE,)), DNS, OWN_BRIDGE, LIMITS),
    enter=_enter,
    own=True,
    parts=OWN_PARTS,
    check=addresses_needed,
)
