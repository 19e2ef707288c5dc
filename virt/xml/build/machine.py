"""A new machine's definition. Devices that libvirt chooses well by itself are left to it.

https://libvirt.org/formatdomain.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from lxml import etree

from virt.errors import Invalid
from virt.xml.build.parts import child, machine_name, machine_uuid

VirtType = Literal["kvm", "qemu", "test"]
Firmware = Literal["bios", "efi", "secure"]

_SPARE_PORTS = 14  # of a q35 board, for devices that are plugged in while it runs: each PCIe device needs one
_TARGETS = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd"}
_LIBOSINFO = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Disk:
    """`kind`: "file" or "block" with a path on the host, "volume" with pool and volume by name.

    boots        its place in the boot order, 0 for none
    controller   the model for the bus "scsi": "" for virtio-scsi, "vmpvscsi", "lsisas1068" for what ran under VMware
    """

    kind: str
    path: str = ""
    pool: str = ""
    volume: str = ""
    format: str = "qcow2"
    device: Literal["disk", "cdrom"] = "disk"
    bus: str = "virtio"
    readonly: bool = False
    boots: int = 0
    controller: str = ""


@dataclass(frozen=True, slots=True)
class Nic:
    """`kind`: "network" (of libvirt) or "bridge" (of the host). No MAC: libvirt makes one up."""

    source: str
    kind: Literal["network", "bridge"] = "network"
    model: str = "virtio"
    mac: str = ""
    boots: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """All that is chosen about a new machine.

    board      "q35", "pc", …; "" where the driver knows none (libvirt's test driver)
    cpu        "host-passthrough", "host-model", "maximum", a model's name, or "" for the hypervisor's own default
    windows    clock in local time and what makes Windows quick under KVM
    vnc        a unix socket that nobody on the network reaches, or a port on the host's loopback
    """

    name: str
    uuid: str
    virt_type: VirtType
    memory_bytes: int
    vcpus: int
    arch: str = "x86_64"
    board: str = "q35"
    cpu: str = ""
    firmware: Firmware = "bios"
    tpm: bool = False
    title: str = ""
    os_id: str = ""
    windows: bool = False
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    video: str = "virtio"
    vnc: Literal["socket", "loopback"] = "socket"
    agent: bool = True
    rng: bool = True


def build_xml(machine: Machine) -> str:
    """Raises Invalid for a name, uuid, size or address that won't do."""
    if not 1 << 20 <= machine.memory_bytes <= 1 << 46 or not 1 <= machine.vcpus <= 4096:
        raise Invalid("A machine has at least 1 MiB of memory and one CPU.")
    domain = etree.Element("domain", type=machine.virt_type)
    child(domain, "name", machine_name(machine.name))
    child(domain, "uuid", machine_uuid(machine.uuid))
    if machine.title:
        child(domain, "title", _line(machine.title))
    if machine.os_id:
        _add_os_id(domain, machine.os_id)
    child(domain, "memory", str(machine.memory_bytes // 1024), unit="KiB")
    child(domain, "vcpu", str(machine.vcpus))
    _add_os(domain, machine)
    if machine.virt_type != "test":
        _add_features(domain, machine)
        _add_cpu(domain, machine)
        _add_clock(domain, machine)
    _add_devices(child(domain, "devices"), machine)
    return etree.tostring(domain, encoding="unicode", pretty_print=True)


def named(disks: tuple[Disk, ...]) -> list[tuple[Disk, str]]:
    """Each disk with the name it gets: vda, vdb, sda, …"""
    counts: dict[str, int] = {}
    found = []
    for disk in disks:
        prefix = _TARGETS.get(disk.bus)
        if prefix is None:
            raise Invalid(f"There is no bus “{disk.bus}” for a disk.")
        number = counts.get(prefix, 0)
        counts[prefix] = number + 1
        found.append((disk, prefix + _letters(number)))
    return found


def _letters(number: int) -> str:
    """0 → a, 25 → z, 26 → aa"""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(97 + rest) + text
    return text


def _line(text: str) -> str:
    if not text.isprintable() or len(text) > 200:
        raise Invalid("A title is one line of at most 200 characters.")
    return text


def _add_os_id(domain: etree._Element, os_id: str) -> None:
    """https://libvirt.org/formatdomain.html#general-metadata: what virt-manager and others read as well."""
    library = etree.SubElement(child(domain, "metadata"), f"{{{_LIBOSINFO}}}libosinfo", nsmap={"libosinfo": _LIBOSINFO})
    etree.SubElement(library, f"{{{_LIBOSINFO}}}os", {"id": _line(os_id)})


def _add_os(domain: etree._Element, machine: Machine) -> None:
    os = child(domain, "os")
    if machine.virt_type == "test":
        child(os, "type", "hvm")
        return
    if machine.firmware != "bios":
        os.set("firmware", "efi")
    attributes = {"arch": machine.arch} | ({"machine": machine.board} if machine.board else {})
    child(os, "type", "hvm", **attributes)
    if machine.firmware != "bios":
        firmware, secure = child(os, "firmware"), "yes" if machine.firmware == "secure" else "no"
        child(firmware, "feature", enabled=secure, name="enrolled-keys")
        child(firmware, "feature", enabled=secure, name="secure-boot")


def _add_features(domain: etree._Element, machine: Machine) -> None:
    features = child(domain, "features")
    child(features, "acpi")
    if machine.arch == "x86_64":
        child(features, "apic")
    if machine.firmware == "secure":
        child(features, "smm", state="on")
    if machine.windows and machine.virt_type == "kvm":
        hyperv = child(features, "hyperv", mode="custom")
        for name in ("relaxed", "vapic", "vpindex", "synic"):
            child(hyperv, name, state="on")
        child(hyperv, "spinlocks", state="on", retries="8191")


def _add_cpu(domain: etree._Element, machine: Machine) -> None:
    if machine.cpu in ("host-passthrough", "maximum"):
        child(domain, "cpu", mode=machine.cpu, check="none", migratable="on")
    elif machine.cpu == "host-model":
        child(domain, "cpu", mode="host-model", check="partial")
    elif machine.cpu:
        child(child(domain, "cpu", mode="custom", match="exact", check="partial"), "model", _line(machine.cpu), fallback="allow")


def _add_clock(domain: etree._Element, machine: Machine) -> None:
    clock = child(domain, "clock", offset="localtime" if machine.windows else "utc")
    child(clock, "timer", name="rtc", tickpolicy="catchup")
    child(clock, "timer", name="pit", tickpolicy="delay")
    child(clock, "timer", name="hpet", present="no")
    if machine.windows and machine.virt_type == "kvm":
        child(clock, "timer", name="hypervclock", present="yes")


def _add_devices(devices: etree._Element, machine: Machine) -> None:
    scsi = list(dict.fromkeys(disk.controller or "virtio-scsi" for disk in machine.disks if disk.bus == "scsi"))
    for disk, target in named(machine.disks):
        _add_disk(devices, disk, target)
        if disk.bus == "scsi" and (disk.controller or len(scsi) > 1):
            _add_scsi_address(devices[-1], scsi.index(disk.controller or "virtio-scsi"), ord(target[2]) - ord("a"), vmware=bool(disk.controller))
    if machine.virt_type != "test":
        _add_controllers(devices, machine)
    for nic in machine.nics:
        _add_nic(devices, nic)
    if machine.virt_type == "test":
        return
    child(child(devices, "serial", type="pty"), "target", port="0")
    child(child(devices, "console", type="pty"), "target", type="serial", port="0")
    if machine.agent:
        child(child(devices, "channel", type="unix"), "target", type="virtio", name="org.qemu.guest_agent.0")
    child(devices, "input", type="tablet", bus="usb")
    _add_graphics(devices, machine)
    if machine.tpm:
        child(child(devices, "tpm", model="tpm-crb"), "backend", type="emulator", version="2.0")
    child(child(devices, "memballoon", model="virtio"), "stats", period="5")
    if machine.rng:
        child(child(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")


def _add_disk(devices: etree._Element, disk: Disk, target: str) -> None:
    node = child(devices, "disk", type=disk.kind, device=disk.device)
    driver = child(node, "driver", name="qemu", type=disk.format)
    if disk.device == "disk" and not disk.readonly:
        driver.set("discard", "unmap")
    if disk.kind == "volume":
        child(node, "source", pool=disk.pool, volume=disk.volume)
    elif disk.kind in ("file", "block"):
        child(node, "source", **{"file" if disk.kind == "file" else "dev": disk.path})
    else:
        raise Invalid(f"There is no kind “{disk.kind}” of disk.")
    child(node, "target", dev=target, bus=disk.bus)
    if disk.readonly or disk.device == "cdrom":
        child(node, "readonly")
    if disk.boots:
        child(node, "boot", order=str(disk.boots))


def _add_scsi_address(node: etree._Element, controller: int, number: int, *, vmware: bool) -> None:
    """VMware's controllers know one disk a target, virtio's take many units of one."""
    target, unit = (number, 0) if vmware else (0, number)
    child(node, "address", type="drive", controller=str(controller), bus="0", target=str(target), unit=str(unit))


def _add_controllers(devices: etree._Element, machine: Machine) -> None:
    if machine.board.startswith(("q35", "pc-q35")):
        child(devices, "controller", type="pci", model="pcie-root")
        for _ in range(_SPARE_PORTS):
            child(devices, "controller", type="pci", model="pcie-root-port")
    models = dict.fromkeys(disk.controller or "virtio-scsi" for disk in machine.disks if disk.bus == "scsi")
    for index, model in enumerate(models):
        child(devices, "controller", type="scsi", index=str(index), model=model)
    child(devices, "controller", type="usb", model="qemu-xhci", ports="15")


def _add_nic(devices: etree._Element, nic: Nic) -> None:
    node = child(devices, "interface", type=nic.kind)
    if nic.mac:
        if not MAC.fullmatch(nic.mac.lower()) or int(nic.mac[:2], 16) & 1:
            raise Invalid("This is not the MAC address of a card.")
        child(node, "mac", address=nic.mac.lower())
    child(node, "source", **{nic.kind: nic.source})
    child(node, "model", type=nic.model)
    if nic.boots:
        child(node, "boot", order=str(nic.boots))


def _add_graphics(devices: etree._Element, machine: Machine) -> None:
    graphics = child(devices, "graphics", type="vnc")
    if machine.vnc == "socket":
        child(graphics, "listen", type="socket")
    else:
        graphics.set("autoport", "yes")
        child(graphics, "listen", type="address", address="127.0.0.1")
    child(child(devices, "video"), "model", type=machine.video)


def as_emulated(machine: Machine) -> Machine:
    """The same machine for a host whose KVM can't be used."""
    return replace(machine, virt_type="qemu", cpu="maximum" if machine.cpu.startswith("host-") else machine.cpu)
