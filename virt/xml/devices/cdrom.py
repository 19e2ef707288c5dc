"""<disk device="cdrom">: its medium is changed while the machine runs."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from virt.xml.devices import disk
from virt.xml.devices.kind import Field, Kind, Values
from virt.xml.devices.source import Source, source_problem
from virt.xml.read.values import attribute


def complete(root: etree._Element, others: Iterable[etree._Element], values: Values) -> Values:
    return {**values, "target": values.get("target") or disk.free_target(values.get("bus", "sata"), [root, *others])}


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
    settle=disk.with_place,
    fields=(
        Field("target", "Name", "target/@dev", hint="sda, hda …; the next free one if empty"),
        Field("source", "Medium", Source(), "source", offers="media", live="update", check=source_problem, hint="A volume, as pool/volume, or a path; empty: no medium"),
        Field("bus", "Bus", "target/@bus", "choice", (("sata", "SATA"), ("ide", "IDE"), ("scsi", "SCSI"), ("usb", "USB")), default="sata", required=True, free=True),
        Field("serial", "Serial", "serial", check=disk.serial_problem, rare=True),
    ),
)
