"""From an order to a definition: what the host's capabilities suggest where nothing was said. Pure; the preview and the worker use it alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from machines.creation import systems
from machines.creation.order import Order
from virt.xml.build.machine import Disk, Firmware, Machine, Nic, VirtType

Offer = Mapping[str, Any]
_VIDEOS = ("virtio", "vga", "qxl", "bochs", "cirrus")


@dataclass(frozen=True, slots=True)
class Ground:
    """What a host offers: the offer (hosts.devices.models.HostCapabilities) for the virtualisation chosen, {} when it was not read yet."""

    driver: str
    kvm: bool | None
    arch: str
    offers: tuple[Offer, ...] = ()

    def virt_type(self, wanted: str) -> VirtType:
        """KVM unless the host has none, or something else was asked for."""
        if self.driver == "test":
            return "test"
        if wanted in ("kvm", "qemu"):
            return cast(VirtType, wanted)
        known = [str(offer["virt_type"]) for offer in self.offers]
        return "kvm" if self.kvm and (not known or "kvm" in known) else "qemu"

    def offer(self, virt_type: str, board: str) -> Offer:
        fitting = [offer for offer in self.offers if offer["virt_type"] == virt_type]
        return next((offer for offer in fitting if board in (offer["board"], offer["canonical"])), fitting[0] if fitting else {})


def shape(order: Order, ground: Ground, name: str, uuid: str, disks: tuple[Disk, ...], *, nics: tuple[Nic, ...] | None = None) -> Machine:
    """The machine with these disks. `nics`: those of an archive, in place of the order's."""
    virt_type, system = ground.virt_type(order.virt_type), systems.get(order.os)
    board = order.board or ("q35" if ground.arch in ("x86_64", "") else "")
    offer = ground.offer(virt_type, board)
    return Machine(
        name=name,
        uuid=uuid,
        virt_type=virt_type,
        memory_bytes=order.memory_bytes,
        vcpus=order.vcpus,
        arch=ground.arch or "x86_64",
        board=board,
        cpu=order.cpu or _cpu(virt_type, offer),
        firmware=firmware_of(order, offer),
        tpm=order.tpm,
        title=order.title,
        os_id=system.id if system else "",
        windows=bool(system and system.windows),
        disks=_booting(disks, order),
        nics=nics if nics is not None else nics_of(order, system),
        video=_video(offer, windows=bool(system and system.windows)),
    )


def firmware_of(order: Order, offer: Offer) -> Firmware:
    """As asked; else UEFI where the system wants it and the host has it."""
    if order.firmware in ("bios", "efi", "secure"):
        return cast(Firmware, order.firmware)
    system = systems.get(order.os)
    if system is None or "efi" not in offer.get("firmware", ()):
        return "bios"
    if system.wants == "secure":
        return "secure" if offer.get("secure_boot") else "efi"
    return "efi" if system.wants == "efi" else "bios"


def nics_of(order: Order, system: systems.System | None) -> tuple[Nic, ...]:
    """Windows has no virtio driver before it is installed."""
    usual = "e1000e" if system and system.windows else "virtio"
    first = 1 if order.source == "network" else 0
    return tuple(
        Nic(nic.source, "bridge" if nic.kind == "bridge" else "network", nic.model or usual, nic.mac, boots=first if number == 0 else 0)
        for number, nic in enumerate(order.nics)
    )


def bus_of(order: Order, wanted: str = "") -> str:
    """virtio, unless the system can't have its driver."""
    system = systems.get(order.os)
    return wanted or ("sata" if system and system.windows else "virtio")


def _booting(disks: tuple[Disk, ...], order: Order) -> tuple[Disk, ...]:
    """The first disk, then the disc: an empty disk is passed over, an installed one is started. From the network, that comes first."""
    found: list[Disk] = []
    place = 1 if order.source != "network" else 2
    for disk in disks:
        boots = disk.device == "disk" and not any(each.boots and each.device == "disk" for each in found)
        boots = boots or (disk.device == "cdrom" and order.source == "iso")
        found.append(replace(disk, boots=place if boots else 0))
        place += 1 if boots else 0
    return tuple(found)


def _cpu(virt_type: str, offer: Offer) -> str:
    if virt_type == "kvm":
        return "host-passthrough" if not offer or offer.get("passthrough") else "host-model" if offer.get("host_model") else ""
    return "maximum" if virt_type == "qemu" and offer.get("maximum") else ""


def _video(offer: Offer, *, windows: bool) -> str:
    known = offer.get("devices", {}).get("video.modelType") or ()
    wanted = _VIDEOS[1:] if windows else _VIDEOS
    return next((model for model in wanted if model in known), "vga")
