"""<os>: https://libvirt.org/formatdomain.html#operating-system-booting"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.xml.read.values import attribute, text


@dataclass(frozen=True, slots=True)
class Boot:
    """How a machine starts.

    os_type    "hvm", "linux", "exe" …
    machine    the virtual board, "pc-q35-7.2"
    firmware   "bios", "efi", or "" when the machine has neither (direct kernel boot keeps "bios")
    devices    boot order by kind: "hd", "cdrom", "network", "fd"; () when devices carry an order of their own
    nvram      path of the UEFI variables
    """

    os_type: str
    arch: str
    machine: str
    firmware: str
    secure_boot: bool
    loader: str
    nvram: str
    kernel: str
    devices: tuple[str, ...]


def read_boot(node: etree._Element | None) -> Boot:
    """The value of <os>."""
    kind = node.find("type") if node is not None else None
    loader = node.find("loader") if node is not None else None
    return Boot(
        os_type=text(kind),
        arch=attribute(kind, "arch"),
        machine=attribute(kind, "machine"),
        firmware=_firmware(node, loader, text(kind)),
        secure_boot=attribute(loader, "secure") == "yes",
        loader=text(loader),
        nvram=text(node, "nvram"),
        kernel=text(node, "kernel"),
        devices=tuple(attribute(boot, "dev") for boot in node.iterfind("boot")) if node is not None else (),
    )


def _firmware(node: etree._Element | None, loader: etree._Element | None, os_type: str) -> str:
    if said := attribute(node, "firmware"):
        return said
    if attribute(loader, "type") == "pflash":
        return "efi"
    return "bios" if os_type == "hvm" else ""
