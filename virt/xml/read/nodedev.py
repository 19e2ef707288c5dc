"""<device> of a host: PCI, USB, mediated devices, and what the host makes of them. https://libvirt.org/formatnode.html"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse
from virt.xml.read.values import attribute, text, whole


@dataclass(frozen=True, slots=True)
class MdevType:
    """What a device can be split into: "nvidia-222", "GRID T4-1B", "vfio-pci", how many more can be made."""

    id: str
    name: str
    api: str
    available: int


@dataclass(frozen=True, slots=True)
class NodeDevice:
    """One object of libvirt's device tree. Fields that its kind does not have are "", 0, None or ().

    name, parent      libvirt's: "pci_0000_41_00_0"
    path              in sysfs; what is made of a device lies below it
    kind              "pci", "usb_device", "mdev", "net", "storage", and others
    address           pci "0000:41:00.0" · usb "001:004" (bus, device) · mdev its uuid
    class_code        of a PCI device, "020000"; "" unknown
    vendor_id, product_id   "15b3", "101d"; vendor, product: their names, where the host's lists have them
    bridge            a PCI bridge: it is never given away
    iommu_group       None: the host has none, or the device is in none
    group_members     addresses of all PCI devices in it
    physical_function address of the device whose virtual function this is
    virtual_functions addresses; most_functions: how many there could be
    mdev_types        of a parent; mdev_type: of an instance
    holds             what the host has of it: an interface "eth0", a disk "/dev/sda"
    """

    name: str
    parent: str
    path: str
    kind: str
    driver: str = ""
    address: str = ""
    class_code: str = ""
    vendor_id: str = ""
    product_id: str = ""
    vendor: str = ""
    product: str = ""
    bridge: bool = False
    numa_node: int | None = None
    iommu_group: int | None = None
    group_members: tuple[str, ...] = ()
    physical_function: str = ""
    virtual_functions: tuple[str, ...] = ()
    most_functions: int = 0
    mdev_types: tuple[MdevType, ...] = ()
    mdev_type: str = ""
    holds: str = ""


def read_nodedev(xml: str) -> NodeDevice:
    """The value of a node device's XML. Raises Invalid when it is none."""
    root = parse(xml)
    if root.tag != "device":
        raise Invalid("This is not the XML of a device.", f"<{root.tag}>")
    capability = root.find("capability")
    if capability is None:
        capability = etree.Element("capability")
    kind = attribute(capability, "type")
    more = {"pci": _pci, "usb_device": _usb, "mdev": _mdev}.get(kind)
    return NodeDevice(
        name=text(root, "name"),
        parent=text(root, "parent"),
        path=text(root, "path"),
        kind=kind,
        driver=text(root, "driver/name"),
        vendor_id=_id(capability.find("vendor")),
        product_id=_id(capability.find("product")),
        vendor=text(capability, "vendor") if kind != "storage" else "",
        product=text(capability, "product"),
        holds={"net": text(capability, "interface"), "storage": text(capability, "block")}.get(kind, ""),
        **(more(capability) if more else {}),
    )


def _pci(node: etree._Element) -> dict[str, Any]:
    group = node.find("iommuGroup")
    numa = attribute(node.find("numa"), "node")
    functions = node.find("capability[@type='virt_functions']")
    return {
        "address": _address(node),
        "class_code": text(node, "class").removeprefix("0x"),
        "bridge": node.find("capability[@type='pci-bridge']") is not None or text(node, "class").startswith("0x06"),
        "numa_node": whole(numa) if numa else None,
        "iommu_group": whole(attribute(group, "number")) if attribute(group, "number") else None,
        "group_members": tuple(_place(one) for one in node.iterfind("iommuGroup/address")),
        "physical_function": next((_place(one) for one in node.iterfind("capability[@type='phys_function']/address")), ""),
        "virtual_functions": tuple(_place(one) for one in node.iterfind("capability[@type='virt_functions']/address")),
        "most_functions": whole(attribute(functions, "maxCount")),
        "mdev_types": tuple(_type(one) for one in node.iterfind("capability[@type='mdev_types']/type")),
    }


def _usb(node: etree._Element) -> dict[str, Any]:
    return {"address": f"{whole(text(node, 'bus')):03}:{whole(text(node, 'device')):03}"}


def _mdev(node: etree._Element) -> dict[str, Any]:
    number = attribute(node.find("iommuGroup"), "number")
    return {"address": text(node, "uuid"), "mdev_type": attribute(node.find("type"), "id"), "iommu_group": whole(number) if number else None}


def _type(node: etree._Element) -> MdevType:
    return MdevType(attribute(node, "id"), text(node, "name"), text(node, "deviceAPI"), whole(text(node, "availableInstances")))


def _address(node: etree._Element) -> str:
    domain, bus, slot, function = (whole(text(node, name)) for name in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _place(node: etree._Element) -> str:
    """<address domain='0x0000' bus='0x41' slot='0x00' function='0x2'/>"""
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*(_hex(attribute(node, name)) for name in ("domain", "bus", "slot", "function")))


def _hex(value: str) -> int:
    try:
        return int(value, 0)
    except ValueError:
        return 0


def _id(node: etree._Element | None) -> str:
    return attribute(node, "id").removeprefix("0x")
