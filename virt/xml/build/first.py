"""The machine of *Try it*: firmware and nothing else. It starts in a second, draws on its screen, and has no disk to lose."""

from __future__ import annotations

from typing import Literal

from lxml import etree

from virt.errors import Invalid
from virt.xml.build.parts import child, machine_name, machine_uuid

VirtType = Literal["kvm", "qemu", "test"]


def build_xml(*, name: str, uuid: str, virt_type: VirtType, memory_mib: int = 64, vnc: Literal["socket", "loopback"] = "socket") -> str:
    """A domain with one CPU, SeaBIOS, a screen and a serial line. Raises Invalid for a name, uuid or size that won't do.

    virt_type  "kvm", or "qemu" where the host has no KVM (emulation); "test" for libvirt's test driver
    vnc        a unix socket whose path libvirt chooses, which nobody on the network can reach; or a port on the host's
               loopback, for QEMU or policies that allow no socket
    """
    if not 64 <= memory_mib <= 128:
        raise Invalid("The first machine has 64 to 128 MiB of memory.")
    domain = etree.Element("domain", type=virt_type)
    child(domain, "name", machine_name(name))
    child(domain, "uuid", machine_uuid(uuid))
    child(domain, "memory", str(memory_mib), unit="MiB")
    child(domain, "vcpu", "1")
    child(child(domain, "os"), "type", "hvm", arch="x86_64", machine="q35")
    features = child(domain, "features")
    child(features, "acpi")
    child(features, "apic")
    devices = child(domain, "devices")
    child(devices, "serial", type="pty")
    graphics = child(devices, "graphics", type="vnc")
    if vnc == "socket":
        child(graphics, "listen", type="socket")
    else:
        graphics.set("autoport", "yes")
        child(graphics, "listen", type="address", address="127.0.0.1")
    child(child(devices, "video"), "model", type="vga")
    return etree.tostring(domain, encoding="unicode", pretty_print=True)
