"""<serial>: a serial line of the machine."""

from __future__ import annotations

from lxml import etree

from virt.xml.devices.chardev import ends
from virt.xml.devices.kind import Field, Kind


def _settle(root: etree._Element, node: etree._Element) -> None:
    """libvirt repeats the first serial line as a console: that one follows its change, or the definition contradicts itself."""
    twin = root.find("devices/console")
    target = twin.find("target") if twin is not None else None
    if (
        twin is not None
        and target is not None
        and target.get("type") == "serial"
        and root.find("devices/serial") is node
        and twin.get("type") != node.get("type")
    ):
        devices = twin.getparent()
        if devices is not None:
            devices.remove(twin)


KIND = Kind(
    name="serial",
    title="Serial line",
    icon="terminal-2",
    group="other",
    tag="serial",
    most=4,
    summary=lambda node: node.get("type") or "",
    settle=_settle,
    fields=(
        *ends(),
        Field(
            "model",
            "Kind",
            "target/@type",
            "choice",
            (("", "As the board has it"), ("isa-serial", "ISA"), ("pci-serial", "PCI"), ("usb-serial", "USB")),
            free=True,
            rare=True,
            compared=False,
        ),
    ),
)
