"""What a host offers machines: architectures, boards, CPU models, firmware, kinds of devices."""

from __future__ import annotations

from dataclasses import dataclass

import libvirt

from virt.connection import Connection
from virt.translation import answered, translate
from virt.xml.read.capabilities import Board, Capabilities, Guests, read_capabilities
from virt.xml.read.domcapabilities import Offer, read_offer

# One document for each of these boards that the host has: what others offer differs little, and a host knows forty.
_ASKED_FOR = ("q35", "pc", "virt", "pseries", "s390-ccw-virtio")
# Other architectures by name alone: what they are emulated with is asked for when somebody wants it.
_MOST_ARCHITECTURES = 60


@dataclass(frozen=True, slots=True)
class HostOffers:
    """`boards` of the host's own architecture; `offers` for it, KVM first; `others`: architectures that can be emulated."""

    arch: str
    iommu: bool | None
    page_sizes: tuple[int, ...]
    boards: tuple[Board, ...]
    offers: tuple[Offer, ...]
    others: tuple[str, ...]


def offers(connection: Connection) -> HostOffers:
    """Ask for all of it. Up to a minute on a fresh libvirtd, which tries its emulators first; then milliseconds."""
    with translate():
        raw = connection.aside
        seen = read_capabilities(raw.getCapabilities())
        own = seen.own_guests
        found = _offers(raw, seen, own) if own else []
        others = tuple(sorted({guests.arch for guests in seen.guests} - {seen.arch}))[:_MOST_ARCHITECTURES]
        return HostOffers(seen.arch, seen.iommu, seen.page_sizes, own.boards if own else (), tuple(found), others)


def _offers(raw: libvirt.virConnect, seen: Capabilities, own: Guests) -> list[Offer]:
    found = []
    known = {board.name for board in own.boards}
    for virt_type in sorted(own.virt_types, key=lambda name: name != "kvm"):
        for board in [name for name in _ASKED_FOR if name in known] or [""]:
            try:
                xml = raw.getDomainCapabilities(own.emulator or None, seen.arch, board or None, virt_type, 0)
            except libvirt.libvirtError as exc:
                if not answered(exc, _NOT_OFFERED):
                    raise
            else:
                found.append(read_offer(xml, board))
    return found


# The test driver has none; an emulator may refuse one of the combinations.
_NOT_OFFERED = (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_CONFIG_UNSUPPORTED, libvirt.VIR_ERR_INTERNAL_ERROR)
