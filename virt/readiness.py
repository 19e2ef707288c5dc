"""Reading what a host is ready for: libvirt's own documents, and the host's shell where it may be asked."""

from __future__ import annotations

import libvirt

from virt import host
from virt.connection import Connection
from virt.errors import VirtError
from virt.facts import HostFacts, Told
from virt.translation import answered, translate
from virt.xml.read.capabilities import Capabilities, read_capabilities
from virt.xml.read.domcapabilities import Offer, read_nested, read_offer

_BOARDS = ("q35", "virt", "pseries", "s390-ccw-virtio")


def read(connection: Connection) -> HostFacts:
    """All of it. libvirt's part raises VirtError; a shell that can't be asked does not, it says why."""
    told = _told(connection)
    if told.hypervisor != "QEMU":
        return HostFacts(told)
    try:
        return HostFacts(told, connection.shown())
    except VirtError as exc:
        return HostFacts(told, why_not_shown=str(exc))


def _told(connection: Connection) -> Told:
    with translate():
        raw = connection.aside
        seen = read_capabilities(raw.getCapabilities())
        own = seen.own_guests
        kvm = bool(own and "kvm" in own.virt_types)
        offer, nested = _best_offer(raw, seen, kvm)
        return Told(
            hypervisor=raw.getType(),
            hypervisor_version=host.hypervisor_version(raw),
            libvirt_version=host.version(raw.getLibVersion()),
            arch=seen.arch,
            cpu_vendor=seen.cpu_vendor,
            virtualisation=next((name for name in ("vmx", "svm") if name in seen.features), ""),
            kvm=kvm,
            nested=nested if kvm else None,
            iommu=seen.iommu,
            huge_pages=seen.page_counts,
            uefi="efi" in offer.firmware if offer else None,
            secure_boot=offer.secure_boot if offer else None,
            tpm="emulator" in offer.devices.get("tpm.backendModel", ()) if offer else None,
            virtiofs="virtiofs" in offer.devices.get("filesystem.driverType", ()) if offer else None,
            confined_by=seen.confined_by,
        )


def _best_offer(raw: libvirt.virConnect, seen: Capabilities, kvm: bool) -> tuple[Offer | None, bool | None]:
    """What machines can have on the host's best board, and whether they get virtualisation passed on; (None, None) where it does not tell."""
    own = seen.own_guests
    if own is None:
        return None, None
    known = {board.name for board in own.boards}
    board = next((name for name in _BOARDS if name in known), "")
    try:
        xml = raw.getDomainCapabilities(own.emulator or None, seen.arch, board or None, "kvm" if kvm else own.virt_types[0], 0)
    except libvirt.libvirtError as exc:
        if answered(exc, _NOT_TOLD):
            return None, None
        raise
    return read_offer(xml, board), read_nested(xml)


_NOT_TOLD = (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_CONFIG_UNSUPPORTED, libvirt.VIR_ERR_INTERNAL_ERROR)
