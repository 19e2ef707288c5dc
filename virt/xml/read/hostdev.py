"""What devices of its host a machine is given. https://libvirt.org/formatdomain.html#host-device-assignment"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.xml.parse import parse
from virt.xml.read.values import attribute, whole


@dataclass(frozen=True, slots=True)
class Hostdev:
    """`kind` "pci", "usb", "mdev"; `address` as of virt.nodedev.HostDevice; or for USB `ids` ("1050:0407"), wherever it is plugged in."""

    kind: str
    address: str = ""
    ids: str = ""


def read_hostdevs(xml: str) -> tuple[Hostdev, ...]:
    """Those of a domain's XML, also network cards that are the host's. Raises Invalid when it can't be read."""
    root = parse(xml)
    found = [_hostdev(node) for node in root.iterfind("devices/hostdev[@mode='subsystem']")]
    found += [_pci(node.find("source/address")) for node in root.iterfind("devices/interface[@type='hostdev']")]
    return tuple(dict.fromkeys(one for one in found if one and (one.address or one.ids)))


def _hostdev(node: etree._Element) -> Hostdev | None:
    address = node.find("source/address")
    kind = attribute(node, "type")
    if kind == "pci":
        return _pci(address)
    if kind == "mdev":
        return Hostdev("mdev", attribute(address, "uuid"))
    if kind == "usb":
        if address is not None:
            return Hostdev("usb", f"{whole(attribute(address, 'bus')):03}:{whole(attribute(address, 'device')):03}")
        ids = [attribute(node.find(f"source/{name}"), "id").removeprefix("0x") for name in ("vendor", "product")]
        return Hostdev("usb", ids=":".join(ids)) if all(ids) else None
    return None


def _pci(address: etree._Element | None) -> Hostdev | None:
    if address is None or attribute(address, "type") not in ("", "pci"):
        return None
    try:
        domain, bus, slot, function = (int(attribute(address, name) or "0", 0) for name in ("domain", "bus", "slot", "function"))
    except ValueError:
        return None
    return Hostdev("pci", f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}")
