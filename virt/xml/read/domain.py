"""<domain>: a machine's definition. https://libvirt.org/formatdomain.html"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse
from virt.xml.read.channel import AGENT, Channel, read_channel
from virt.xml.read.disk import Disk, read_disk
from virt.xml.read.firmware import Boot, read_boot
from virt.xml.read.graphics import Graphics, read_graphics
from virt.xml.read.nic import Nic, read_nic
from virt.xml.read.osinfo import read_os_id
from virt.xml.read.serial import Serial, read_serials
from virt.xml.read.values import attribute, size_bytes, text, whole


@dataclass(frozen=True, slots=True)
class Definition:
    """What a machine is made of.

    virt_type            "kvm", "qemu" (emulation), "test"
    vcpus                the most it can have · vcpus_current: has, or starts with
    memory_bytes         the most it can have · memory_current_bytes: has, or starts with
    cpu_mode, cpu_model  "host-passthrough", "host-model", "custom" …; model "" unless custom
    """

    name: str
    uuid: str
    title: str
    description: str
    virt_type: str
    vcpus: int
    vcpus_current: int
    memory_bytes: int
    memory_current_bytes: int
    cpu_mode: str
    cpu_model: str
    boot: Boot
    graphics: tuple[Graphics, ...]
    video: tuple[str, ...]
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    serials: tuple[Serial, ...]
    channels: tuple[Channel, ...]
    os_id: str

    @property
    def os_type(self) -> str:
        """ "hvm", "linux" …"""
        return self.boot.os_type

    @property
    def arch(self) -> str:
        """ "x86_64", "aarch64" …"""
        return self.boot.arch

    @property
    def machine(self) -> str:
        """The virtual board, "pc-q35-7.2"."""
        return self.boot.machine

    @property
    def firmware(self) -> str:
        """ "bios", "efi" or ""."""
        return self.boot.firmware

    @property
    def has_agent_channel(self) -> bool:
        """Whether a guest agent could answer."""
        return any(channel.name == AGENT for channel in self.channels)

    @property
    def agent_connected(self) -> bool:
        """Whether an agent in the guest has opened its line (live definition only)."""
        return any(channel.name == AGENT and channel.connected for channel in self.channels)


def read_definition(xml: str) -> Definition:
    """The value of a domain's XML, live or inactive. Raises Invalid when it is not a domain."""
    root = parse(xml)
    if root.tag != "domain":
        raise Invalid("This is not the XML of a machine.", f"<{root.tag}>")
    devices = root.find("devices")
    if devices is None:
        devices = etree.Element("devices")
    vcpu, cpu = root.find("vcpu"), root.find("cpu")
    vcpus = whole(text(vcpu), 1)
    memory = size_bytes(root.find("memory"))
    return Definition(
        name=text(root, "name"),
        uuid=text(root, "uuid"),
        title=text(root, "title"),
        description=text(root, "description"),
        virt_type=attribute(root, "type"),
        vcpus=vcpus,
        vcpus_current=whole(attribute(vcpu, "current"), vcpus),
        memory_bytes=memory,
        memory_current_bytes=size_bytes(root.find("currentMemory")) or memory,
        cpu_mode=attribute(cpu, "mode") or ("custom" if text(cpu, "model") else ""),
        cpu_model=text(cpu, "model"),
        boot=read_boot(root.find("os")),
        graphics=tuple(read_graphics(node) for node in devices.iterfind("graphics")),
        video=tuple(attribute(node, "type") for node in devices.iterfind("video/model")),
        disks=tuple(read_disk(node) for node in devices.iterfind("disk")),
        nics=tuple(read_nic(node) for node in devices.iterfind("interface")),
        serials=read_serials(devices),
        channels=tuple(read_channel(node) for node in devices.iterfind("channel")),
        os_id=read_os_id(root),
    )
