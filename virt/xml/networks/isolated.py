"""Machines reach one another, and the host where it has an address there; nothing goes out."""

from __future__ import annotations

from lxml import etree

from virt.xml.networks.common import DNS, IPV4, IPV6, LIMITS, OWN_BRIDGE, OWN_PARTS, enter_own, own_problems
from virt.xml.networks.mode import Mode


def _enter(root: etree._Element) -> None:
    enter_own(root, "", keeps_device=False)


MODE = Mode(
    name="isolated",
    title="Isolated",
    text="Machines among themselves",
    icon="lock",
    sections=(IPV4, IPV6, DNS, OWN_BRIDGE, LIMITS),
    enter=_enter,
    own=True,
    parts=OWN_PARTS,
    check=own_problems,
)
