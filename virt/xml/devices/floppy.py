"""<disk device="floppy">"""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from virt.xml.devices import disk
from virt.xml.devices.cdrom import with_medium
from virt.xml.devices.kind import Field, Kind, Values
from virt.xml.devices.source import Source, source_problem
from virt.xml.read.values import attribute


def complete(root: etree._Element, others: Iterable[etree._Element], values: Values) -> Values:
    return {**values, "target": values.get("target") or disk.free_target("fdc", [root, *others])}


KIND = Kind(
    name="floppy",
    title="Floppy drive",
    icon="device-floppy",
    group="storage",
    tag="disk",
    owns=lambda node: node.get("device") == "floppy",
    most=2,
    key="target",
    name_of=lambda node: f"Floppy drive {attribute(node.find('target'), 'dev')}",
    summary=lambda node: disk.where(node) or "empty",
    blank=(("@device", "floppy"), ("@type", "file"), ("driver/@name", "qemu"), ("driver/@type", "raw"), ("target/@bus", "fdc")),
    complete=complete,
    settle=with_medium,
    fields=(
        Field("target", "Name", "target/@dev", hint="fda or fdb; the next free one if empty", rare=True),
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
        Field("readonly", "Read only", "readonly?", "flag"),
    ),
)
