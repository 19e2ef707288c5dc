"""The machine of *Try it*: firmware and nothing else. It starts in a second, draws on its screen, and has no disk to lose."""

from __future__ import annotations

import uuid as uuids
from typing import Literal

from lxml import etree

from virt.errors import Invalid

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
    _child(domain, "name", _name(name))
    _child(domain, "uuid", _uuid(uuid))
    _child(domain, "memory", str(memory_mib), unit="MiB")
    _child(domain, "vcpu", "1")
    _child(_child(domain, "os"), "type", "hvm", arch="x86_64", machine="q35")
    features = _child(domain, "features")
    _child(features, "acpi")
    _child(features, "apic")
    devices = _child(domain, "devices")
    _child(devices, "serial", type="pty")
    graphics = _child(devices, "graphics", type="vnc")
    if vnc == "socket":
        _child(graphics, "listen", type="socket")
    else:
        graphics.set("autoport", "yes")
        _child(graphics, "listen", type="address", address="127.0.0.1")
    _child(_child(devices, "video"), "model", type="vga")
    return etree.tostring(domain, encoding="unicode", pretty_print=True)


def _child(parent: etree._Element, tag: str, text: str = "", **attributes: str) -> etree._Element:
    child = etree.SubElement(parent, tag, attributes)
    if text:
        child.text = text
    return child


def _name(name: str) -> str:
    """As libvirt wants it: something, no slash, nothing that could not be shown; and short enough for a file's name."""
    if not name.strip() or "/" in name or not name.isprintable() or len(name.encode(errors="replace")) > 200:
        raise Invalid("A machine's name is not empty, at most 200 bytes long, and has no “/” and no control character in it.")
    return name


def _uuid(text: str) -> str:
    try:
        return str(uuids.UUID(text))
    except ValueError as exc:
        raise Invalid("This is not a UUID.", str(exc)) from exc
