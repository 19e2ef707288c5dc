"""<disk device="disk">: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml import etree

from virt.xml.devices.kind import Field, Kind, Values
from virt.xml.devices.source import Source, source_problem
from virt.xml.read.values import attribute
from virt.xml.slot import At

BUSES = (("virtio", "virtio"), ("scsi", "SCSI"), ("sata", "SATA"), ("usb", "USB"), ("ide", "IDE"))
_PREFIX = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd"}
_HOTPLUG = ("virtio", "scsi", "usb")
CACHES = (
    ("", "As the hypervisor chooses"),
    ("none", "none"),
    ("writeback", "writeback"),
    ("writethrough", "writethrough"),
    ("directsync", "directsync"),
    ("unsafe", "unsafe"),
)


def is_disk(node: etree._Element) -> bool:
    return (node.get("device") or "disk") in ("disk", "lun")


def can_hotplug(node: etree._Element) -> bool:
    return attribute(node.find("target"), "bus") in _HOTPLUG


def free_target(bus: str, trees: Iterable[etree._Element]) -> str:
    """The first name of the bus's kind that no tree uses: vda, vdb … vdz, vdaa."""
    used = {node.get("dev") for root in trees for node in root.iterfind("devices/disk/target")}
    prefix = _PREFIX.get(bus, "sd")
    letters = [chr(97 + n) for n in range(26)]
    names = [*letters, *(one + two for one in letters for two in letters)]
    return next(prefix + name for name in names if prefix + name not in used)


def complete(root: etree._Element, others: Iterable[etree._Element], values: Values) -> Values:
    target = values.get("target") or free_target(values.get("bus", "virtio"), [root, *others])
    return {**values, "target": target}


def with_place(root: etree._Element, node: etree._Element) -> None:
    """A disk that moved to another bus needs a name of that bus, and its old address is of no use."""
    target = node.find("target")
    bus, name = attribute(target, "bus"), attribute(target, "dev")
    prefix = _PREFIX.get(bus)
    if target is None or prefix is None:
        return
    if not name.startswith(prefix):
        target.set("dev", free_target(bus, [root]))
    address = node.find("address")
    if address is not None and (address.get("type") == "drive") != (bus in ("scsi", "sata", "ide", "fdc")) and address.get("type") != "usb":
        node.remove(address)


def where(node: etree._Element) -> str:
    """The last part of its source, for a list."""
    return Source().read(node).rpartition("/")[2]


def limit(name: str, title: str, hint: str = "") -> Field:
    return Field(name, title, f"iotune/{name}", "number", live="throttle", hint=hint, rare=True, most=2**62)


def serial_problem(value: str) -> str:
    return "" if re.fullmatch(r"[A-Za-z0-9_.+ -]{1,247}", value) else "Letters, digits, spaces, and - _ . +"


KIND = Kind(
    name="disk",
    title="Disk",
    icon="device-floppy",
    group="storage",
    tag="disk",
    owns=is_disk,
    key="target",
    name_of=lambda node: f"Disk {attribute(node.find('target'), 'dev')}",
    summary=where,
    hotplug=can_hotplug,
    blank=(("@device", "disk"), ("driver/@name", "qemu")),
    complete=complete,
    settle=with_place,
    fields=(
        Field("target", "Name", "target/@dev", hint="vda, sda …; the next free one if empty", rare=True),
        Field(
            "source",
            "Volume",
            Source(),
            "source",
            offers="volumes",
            required=True,
            check=source_problem,
            hint="A volume of a pool, as pool/volume, or a path on the host",
        ),
        Field("format", "Format", "driver/@type", "choice", (("qcow2", "qcow2"), ("raw", "raw")), free=True, default="qcow2", required=True),
        Field("bus", "Bus", "target/@bus", "choice", BUSES, default="virtio", required=True, free=True),
        Field("cache", "Cache", "driver/@cache", "choice", CACHES),
        Field(
            "io",
            "Input and output",
            "driver/@io",
            "choice",
            (("", "As the hypervisor chooses"), ("native", "native"), ("threads", "threads"), ("io_uring", "io_uring")),
        ),
        Field("discard", "Discard", "driver/@discard", "choice", (("", "As the hypervisor chooses"), ("unmap", "unmap"), ("ignore", "ignore"))),
        Field("serial", "Serial", "serial", check=serial_problem),
        Field("readonly", "Read only", "readonly?", "flag"),
        Field("shareable", "Shared with other machines", "shareable?", "flag"),
        Field(
            "detect_zeroes",
            "Detect zeroes",
            "driver/@detect_zeroes",
            "choice",
            (("", "As the hypervisor chooses"), ("off", "off"), ("on", "on"), ("unmap", "unmap")),
            rare=True,
        ),
        limit("total_iops_sec", "Operations a second"),
        limit("total_bytes_sec", "Bytes a second"),
        limit("read_iops_sec", "Reads a second", "instead of operations in all"),
        limit("write_iops_sec", "Writes a second"),
        limit("read_bytes_sec", "Bytes read a second"),
        limit("write_bytes_sec", "Bytes written a second"),
    ),
)

TUNABLE = tuple(each.name for each in KIND.fields if each.live == "throttle")
TARGET = At("target/@dev")
