"""<metadata><libosinfo>: which operating system a machine is said to run (https://libosinfo.org)."""

from __future__ import annotations

from lxml import etree

from virt.xml.read.values import attribute

_PATH = "metadata/{http://libosinfo.org/xmlns/libvirt/domain/1.0}libosinfo/{http://libosinfo.org/xmlns/libvirt/domain/1.0}os"


def read_os_id(domain: etree._Element) -> str:
    """libosinfo's id, "http://debian.org/debian/12"; "" when not said."""
    return attribute(domain.find(_PATH), "id")
