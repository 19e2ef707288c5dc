"""<input>: keyboards, mice, tablets. A tablet's pointer is where the person's is."""

from __future__ import annotations

from lxml import etree

from virt.xml.devices.kind import Field, Kind

_TYPES = (("tablet", "Tablet"), ("mouse", "Mouse"), ("keyboard", "Keyboard"))


def _summary(node: etree._Element) -> str:
    return (node.get("bus") or "").upper() if node.get("bus") != "virtio" else "virtio"


KIND = Kind(
    name="input",
    title="Input",
    icon="keyboard",
    group="other",
    tag="input",
    owns=lambda node: node.get("bus") != "ps2",  # part of the board: libvirt puts them back
    name_of=lambda node: dict(_TYPES).get(node.get("type") or "", "Input"),
    summary=_summary,
    hotplug=lambda node: node.get("bus") in ("usb", "virtio"),
    fields=(
        Field("type", "Kind", "@type", "choice", _TYPES, default="tablet", required=True, free=True),
        Field("bus", "Bus", "@bus", "choice", (("usb", "USB"), ("virtio", "virtio")), default="usb", required=True, free=True),
    ),
)
