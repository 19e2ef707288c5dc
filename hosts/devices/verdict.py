"""Whether a device can be given to a machine, and why not. A group of the IOMMU is the smallest thing that can be given away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hosts.devices.models import Device, Kind
from hosts.devices.users import Use

FREE, USED, CAREFUL, NEVER = "free", "used", "careful", "never"
SHAPES = {FREE: "ok", USED: "running", CAREFUL: "warn", NEVER: "off"}
_HUBS = "1d6b"  # the vendor of Linux's own root hubs


@dataclass(frozen=True)
class Verdict:
    """`state`: free (it can be given), used (a machine has it), careful (it can, and something is lost), never. `words`: why, in a sentence."""

    state: str
    words: str

    @property
    def shape(self) -> str:
        return SHAPES[self.state]

    @property
    def title(self) -> str:
        return {FREE: _("Free"), USED: _("In use"), CAREFUL: _("With care"), NEVER: _("Stays")}[self.state]


def of(device: Device, group: Sequence[Device], uses: Sequence[Use], split: int = 0) -> Verdict:
    """`group`: all PCI devices of its IOMMU group, itself too; `split`: mediated devices made of it."""
    if device.kind == Kind.PCI:
        return _pci(device, group, uses, split)
    if device.kind == Kind.USB and device.vendor_id == _HUBS:
        return Verdict(NEVER, _("A hub stays with the host."))
    if uses:
        return Verdict(USED, _by(uses))
    if device.holds:
        return Verdict(CAREFUL, _held(device))
    return Verdict(FREE, "")


def is_grey(device: Device) -> bool:
    """What nobody looks for: bridges and hubs."""
    return device.bridge or (device.kind == Kind.USB and device.vendor_id == _HUBS)


def _pci(device: Device, group: Sequence[Device], uses: Sequence[Use], split: int) -> Verdict:
    if device.bridge:
        return Verdict(NEVER, _("A bridge stays with the host."))
    if uses:
        return Verdict(USED, _by(uses))
    if device.iommu_group is None:
        return Verdict(NEVER, _("It is in no IOMMU group."))
    reasons = []
    if device.holds:
        reasons.append(_held(device))
    if split:
        reasons.append(ngettext("%(n)d mediated device is made of it.", "%(n)d mediated devices are made of it.", split) % {"n": split})
    if device.virtual_functions:
        number = len(device.virtual_functions)
        reasons.append(ngettext("Its %(n)d virtual function goes with it.", "Its %(n)d virtual functions go with it.", number) % {"n": number})
    others = [short(one.address) for one in group if one.pk != device.pk and not one.bridge]
    if others:
        reasons.append(_("Goes together with %(others)s.") % {"others": _some(others, 3)})
    return Verdict(CAREFUL, " ".join(reasons)) if reasons else Verdict(FREE, "")


def short(address: str) -> str:
    """Without the domain that nearly all have: "0000:41:00.2" → "41:00.2"."""
    return address.removeprefix("0000:")


def _held(device: Device) -> str:
    return _("The host uses it: %(what)s.") % {"what": _some(device.holds, 4)}


def _some(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _by(uses: Sequence[Use]) -> str:
    return ", ".join(dict.fromkeys(use.name for use in uses))
