"""What a machine offers to look at and type into, as its row and its stored definition tell it; no hypervisor is asked."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from consoles.models import Kind
from machines.models import Machine
from virt.errors import Invalid
from virt.xml.read import read_definition

_SCREENS = (Kind.VNC, Kind.SPICE)
# What a line of these kinds says goes elsewhere: libvirt opens no console on it.
LINES = ("pty", "unix")


@dataclass(frozen=True)
class Offer:
    """One way in. `port` counts the serial lines; screens have 0."""

    kind: Kind
    label: str
    port: int = 0


def offers(machine: Machine) -> list[Offer]:
    """The best first: VNC shows several people the same picture, SPICE throws out the first when the second comes, a line has no picture."""
    kinds = {str(screen.get("kind")) for screen in machine.graphics}
    found = [Offer(kind, kind.label) for kind in _SCREENS if kind in kinds]
    lines = _lines(machine)
    return found + [Offer(Kind.SERIAL, _("Serial line") if lines == 1 else _("Serial line %(number)d") % {"number": n + 1}, n) for n in range(lines)]


def offered(machine: Machine, kind: str, port: int) -> bool:
    return any(offer.kind == kind and offer.port == port for offer in offers(machine))


def _lines(machine: Machine) -> int:
    xml = machine.definitions.values_list("xml", flat=True).first()
    try:
        return sum(line.kind in LINES for line in read_definition(xml).serials) if xml else 0
    except Invalid:
        return 0
