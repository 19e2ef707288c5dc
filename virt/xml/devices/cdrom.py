"""<disk device="cdrom">: its medium is changed while the machine runs."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from virt.xml.devices import disk
from virt.xml.devices.kind import Field, Kind, Values
from virt.xml.devices.source import Source, source_problem
from virt.xml.read.values import attribute
from virt.xml.slot import At


def complete(root: etree._Element, others: Iterable[etree._Element], values: Values) -> Values:
    return {**values, "target": values.get("target") or disk.free_target(values.get("bus", "sata"), [root, *others])}


def with_medium(root: etree._Element, node: etree._Element) -> None:
    """A medium is raw, and said to be: no format is ever guessed from what a disc holds."""
    disk.with_place(root, node)
    if node.find("source") is not None and not attribute(node.find("driver"), "type"):
        At("driver/@name").write(node, "qemu")
        At("driver/@type").write(node, "raw")


def can_hotplug(node: etree._Element) -> bool:
    """libvirt plugs no CD drives; a USB one is a disk to it."""
    return attribute(node.find("target"), "bus") == "usb"


KIND = Kind(
    name="cdrom",
    title="CD drive",
    icon="disc",
    group="storage",
    tag="disk",
    owns=lambda node: node.get("device") == "cdrom",
    key="target",
    name_of=lambda node: f"CD drive {attribute(node.find('target'), 'dev')}",
    summary=lambda node: disk.where(node) or "empty",
    hotplug=can_hotplug,
    blank=(("@device", "cdrom"), ("@type", "file"), ("driver/@name", "qemu"), ("driver/@type", "raw"), ("readonly?", "yes")),
    complete=complete,
    settle=with_medium,
    fields=(
        Field("target", "Name", "target/@dev", hint="sda, hda …; the next free one if empty", rare=True),
        Field(
            "source",
            "Medium",
            Source(),
            "source",
            offers="media",
            live="update",
            check=source_problem,
            hint="A volume, as pool/volume, or a path; empty: no medium",
        ),
        Field(
            "bus",
            "Bus",
            "target/@bus",
            "choice",
            (("sata", "SATA"), ("ide", "IDE"), ("scsi", "SCSI"), ("usb", "USB")),
            default="sata",
            required=True,
            free=True,
        ),
        Field("serial", "Serial", "serial", check=disk.serial_problem, rare=True),
    ),
)
