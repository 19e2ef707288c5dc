"""What networks are made of: one file a mode, and one for what a network has several of. Forms, API and worker read the same descriptions."""

from __future__ import annotations

from virt.errors import Invalid
from virt.xml.networks import bridge, isolated, macvtap, nat, open, openvswitch, route
from virt.xml.networks.mode import Mode as Mode
from virt.xml.networks.mode import Section as Section
from virt.xml.networks.mode import Values as Values
from virt.xml.networks.parts import PARTS as PARTS
from virt.xml.networks.parts import Part as Part
from virt.xml.networks.parts import part_named as part_named

MODES: dict[str, Mode] = {each.name: each for each in (nat.MODE, route.MODE, open.MODE, isolated.MODE, bridge.MODE, macvtap.MODE, openvswitch.MODE)}


def mode_named(name: str) -> Mode:
    """Raises Invalid for a mode that networks are not made in here (an SR-IOV pool that somebody else made is shown all the same)."""
    if name not in MODES:
        raise Invalid(f"There is no mode “{name}”.")
    return MODES[name]
