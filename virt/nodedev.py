"""The devices of a host that machines could be given, with what the host itself makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import libvirt

from virt.connection import Connection
from virt.errors import Invalid
from virt.translation import translate
from virt.xml.read.nodedev import MdevType, NodeDevice, read_nodedev

KINDS = ("pci", "usb", "mdev")
_OF = {"pci": "pci", "usb_device": "usb", "mdev": "mdev"}
_MADE_OF_THEM = ("net", "storage")
_MOST = 5_000


@dataclass(frozen=True, slots=True)
class HostDevice:
    """A device. As virt.xml.read.nodedev.NodeDevice, but:

    kind     one of KINDS
    parent   address of the device below which it is: a mediated device's, "" else
    holds    interfaces and disks that the host has of it, and that it would lose
    """

    name: str
    kind: str
    address: str
    parent: str = ""
    class_code: str = ""
    vendor_id: str = ""
    product_id: str = ""
    vendor: str = ""
    product: str = ""
    driver: str = ""
    bridge: bool = False
    numa_node: int | None = None
    iommu_group: int | None = None
    physical_function: str = ""
    virtual_functions: tuple[str, ...] = ()
    most_functions: int = 0
    mdev_types: tuple[MdevType, ...] = ()
    mdev_type: str = ""
    holds: tuple[str, ...] = ()


def list_all(connection: Connection) -> tuple[HostDevice, ...]:
    """Every PCI, USB and mediated device, by kind and address. One call a device: half a second for five hundred."""
    with translate():
        xml = []
        for device in _devices(connection.aside):
            try:
                xml.append(device.XMLDesc(0))
            except libvirt.libvirtError as exc:
                if exc.get_error_code() != libvirt.VIR_ERR_NO_NODE_DEVICE:  # pulled out meanwhile
                    raise
    return gather(_readable(xml))


def gather(nodes: Iterable[NodeDevice]) -> tuple[HostDevice, ...]:
    """What machines could be given, of libvirt's whole tree."""
    nodes = list(nodes)
    addresses = {node.name: node.address for node in nodes}
    own = [node for node in nodes if node.kind in _OF]
    held = _held(own, [node for node in nodes if node.kind in _MADE_OF_THEM and node.holds])
    found = [_device(node, addresses.get(node.parent, ""), tuple(sorted(held.get(node.name, ())))) for node in own]
    return tuple(sorted(found, key=lambda device: (KINDS.index(device.kind), device.address, device.name)))


def _device(node: NodeDevice, parent: str, holds: tuple[str, ...]) -> HostDevice:
    return HostDevice(
        name=node.name,
        kind=_OF[node.kind],
        address=node.address or _uuid_in(node.name),
        parent=parent if node.kind == "mdev" else "",
        class_code=node.class_code,
        vendor_id=node.vendor_id,
        product_id=node.product_id,
        vendor=node.vendor,
        product=node.product,
        driver=node.driver,
        bridge=node.bridge,
        numa_node=node.numa_node,
        iommu_group=node.iommu_group,
        physical_function=node.physical_function,
        virtual_functions=node.virtual_functions,
        most_functions=node.most_functions,
        mdev_types=node.mdev_types,
        mdev_type=node.mdev_type,
        holds=holds,
    )


def _held(own: list[NodeDevice], made: list[NodeDevice]) -> dict[str, list[str]]:
    """Name of a device → what the host has of it: that of the nearest device above in sysfs, and of those above it that are no bridges."""
    found: dict[str, list[str]] = {}
    by_path = {node.path: node for node in own if node.path}
    for thing in made:
        path = thing.path
        while path := path.rpartition("/")[0]:
            node = by_path.get(path)
            if node and not node.bridge:
                found.setdefault(node.name, []).append(thing.holds)
    return found


def _uuid_in(name: str) -> str:
    """libvirt before 7.3 tells a mediated device's uuid only in its name: "mdev_4b20d080_1b54_4048_85b3_a6a62d165c01"."""
    found = re.match(r"mdev_([0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12})", name)
    return found[1].replace("_", "-") if found else ""


def _devices(raw: libvirt.virConnect) -> list[libvirt.virNodeDevice]:
    try:
        return raw.listAllDevices(0)[:_MOST]
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return []
        raise


def _readable(documents: Iterable[str]) -> Iterable[NodeDevice]:
    """One that can't be read hides no other."""
    for xml in documents:
        try:
            yield read_nodedev(xml)
        except Invalid:
            continue
