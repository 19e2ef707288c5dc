"""As routed, but libvirt puts no rule of a firewall there: who runs the host has rules of their own."""

from __future__ import annotations

from lxml import etree

from virt.xml.networks.common import DNS, IPV4, IPV6, LIMITS, OWN_BRIDGE, OWN_PARTS, addresses_needed, enter_own
from virt.xml.networks.mode import Mode


def _enter(root: etree._Element) -> None:
    enter_own(root, "open", keeps_device=False)  # libvirt refuses a device here


MODE = Mode(
    name="open",
    title="Open",
    text="Routed, no firewall of libvirt's",
    icon="login",
    sections=(IPV4, IPV6, DNS, OWN_BRIDGE, LIMITS),
    enter=_enter,
    own=True,
    parts=OWN_PARTS,
    check=addresses_needed,
)
