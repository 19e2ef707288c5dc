"""Machines stand in the host's own network, each straight on a card of the host; no bridge is needed. The host itself they don't reach."""

from __future__ import annotations

from lxml import etree

from virt.xml.devices.kind import Field
from virt.xml.networks.common import DEVICES
from virt.xml.networks.mode import Mode, Section
from virt.xml.networks.slots import set_forward
from virt.xml.read.network import DIRECT
from virt.xml.read.values import attribute
from virt.xml.slot import At

_WAYS = (
    ("bridge", "bridge: machines of a card reach one another"),
    ("private", "private: they don't"),
    ("vepa", "vepa: by the switch outside alone"),
    ("passthrough", "passthrough: a whole card for each machine"),
)


def _enter(root: etree._Element) -> None:
    now = attribute(root.find("forward"), "mode")
    set_forward(root, now if now in DIRECT else "bridge")


MODE = Mode(
    name="macvtap",
    title="macvtap",
    text="Straight on a card of the host",
    icon="plug",
    sections=(Section("host", "Host", "", (DEVICES, Field("way", "Way", At("forward/@mode"), "choice", _WAYS, default="bridge", required=True))),),
    enter=_enter,
)
