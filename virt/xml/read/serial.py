"""<serial> and <console>: https://libvirt.org/formatdomain.html#guest-interface"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.xml.read.values import attribute, whole


@dataclass(frozen=True, slots=True)
class Serial:
    """A serial line or paravirtual console.

    element  "serial" or "console"; libvirt repeats the first serial as a console, which is left out here
    kind     host side: "pty", "unix", "tcp", "file", "null" …
    model    guest side: "isa-serial", "virtio", "sclpconsole" …
    alias    the name that libvirt's openConsole wants, "serial0"; "" while off
    """

    element: str
    kind: str
    model: str
    port: int
    alias: str


def read_serials(devices: etree._Element) -> tuple[Serial, ...]:
    """All lines one can open, in the order of the XML."""
    serials = [_read(node) for node in devices.iterfind("serial")]
    consoles = [_read(node) for node in devices.iterfind("console") if not (serials and attribute(node.find("target"), "type") == "serial")]
    return tuple(serials + consoles)


def _read(node: etree._Element) -> Serial:
    target = node.find("target")
    return Serial(
        element=str(node.tag),
        kind=attribute(node, "type"),
        model=attribute(target, "type"),
        port=whole(attribute(target, "port")),
        alias=attribute(node.find("alias"), "name"),
    )
