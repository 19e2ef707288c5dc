"""Machines stand on a bridge of Open vSwitch's, with VLANs by the network or by its port groups."""

from __future__ import annotations

from lxml import etree

from virt.xml.networks.common import HOST_BRIDGE, LIMITS, VLAN, limits_problems
from virt.xml.networks.mode import Mode, Section
from virt.xml.networks.slots import set_forward
from virt.xml.slot import At


def _enter(root: etree._Element) -> None:
    set_forward(root, "bridge")
    At("virtualport/@type").write(root, "openvswitch")


MODE = Mode(
    name="openvswitch",
    title="Open vSwitch",
    text="With VLANs and port groups",
    icon="stack-2",
    sections=(Section("host", "Host", "", (HOST_BRIDGE, VLAN)), LIMITS),
    enter=_enter,
    parts=("portgroup",),
    check=limits_problems,
)
