"""<pool>: https://libvirt.org/formatstorage.html"""

from __future__ import annotations

from virt.xml.parse import parse
from virt.xml.read.values import attribute


def read_pool_kind(xml: str) -> str:
    """ "dir", "logical", "netfs" …"""
    return attribute(parse(xml), "type")
