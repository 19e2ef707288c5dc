"""Machines reach the world by the host's own addresses; nobody outside reaches them unasked."""

from __future__ import annotations

from lxml import etree

from virt.xml.devices.kind import Field
from virt.xml.networks.common import DEVICE, DNS, IPV4, IPV6, LIMITS, OWN_BRIDGE, OWN_PARTS, addresses_needed, enter_own
from virt.xml.networks.mode import Mode, Section
from virt.xml.slot import OnOff


def _enter(root: etree._Element) -> None:
    enter_own(root, "nat", keeps_device=True)


MODE = Mode(
    name="nat",
    title="NAT",
    text="Out by the host's address",
    icon="world",
    sections=(
        IPV4,
        IPV6,
        Section("out", "Way out", "", (DEVICE, Field("nat6", "NAT for IPv6 as well", OnOff("forward/nat/@ipv6", "yes"), "flag"))),
        DNS,
        OWN_BRIDGE,
        LIMITS,
    ),
    enter=_enter,
    own=True,
    parts=OWN_PARTS,
    check=addresses_needed,
)
