"""Node devices of a server with an IOMMU, SR-IOV, a split graphics card and USB, in libvirt's documented form: no such hardware is to be had in tests."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from virt.nodedev import HostDevice, gather
from virt.xml.read.nodedev import read_nodedev

FILE = Path(__file__).with_name("server.xml")


def documents() -> list[str]:
    """One text a device, as libvirt gives them."""
    return [etree.tostring(node, encoding="unicode", with_tail=False) for node in etree.parse(FILE).getroot()]


def server() -> tuple[HostDevice, ...]:
    return gather(read_nodedev(xml) for xml in documents())


def for_test_driver() -> str:
    """The same as a description that libvirt's test driver takes."""
    return f"<node>{''.join(documents())}</node>"
