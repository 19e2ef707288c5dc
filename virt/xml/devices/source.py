"""Where a disk's data is, as one text: "pool/volume", "/a/path/on/the/host", "protocol:name" of a network disk; "" for an empty drive."""

from __future__ import annotations

import re

from lxml import etree

from virt.errors import Invalid
from virt.xml import tree
from virt.xml.read.values import attribute

_VOLUME = re.compile(r"[^/\s][^/]*/[^/][^\n]*")
_NETWORK = re.compile(r"[a-z]+:.+")


def source_problem(value: str) -> str:
    if value.startswith("/"):
        return "The path goes up and down; give it straight." if "/../" in f"{value}/" else ""
    return "" if _VOLUME.fullmatch(value) or _NETWORK.fullmatch(value) else "As pool/volume, or a path that begins with “/”."


class Source:
    """The slot of a whole <source> with the type of its disk."""

    def read(self, node: etree._Element) -> str:
        found = node.find("source")
        if found is None:
            return ""
        for name in ("file", "dev", "dir", "path"):
            if value := attribute(found, name):
                return value
        if pool := attribute(found, "pool"):
            return f"{pool}/{attribute(found, 'volume')}"
        if protocol := attribute(found, "protocol"):
            return f"{protocol}:{attribute(found, 'name')}"
        return ""

    def write(self, node: etree._Element, value: str) -> None:
        """Another source: what belonged to the old one (its chain, its slices, its label) goes with it."""
        if value == self.read(node):
            return
        for name in ("source", "backingStore", "mirror"):
            found = node.find(name)
            if found is not None:
                tree.remove(found)
        if not value:
            node.set("type", node.get("type") or "file")
            return
        if value.startswith("/dev/"):
            self._set(node, "block", dev=value)
        elif value.startswith("/"):
            self._set(node, "file", file=value)
        elif _NETWORK.fullmatch(value) and "/" not in value.partition(":")[0]:
            raise Invalid("A disk on the network is set up in the XML editor.")
        else:
            pool, _, volume = value.partition("/")
            self._set(node, "volume", pool=pool, volume=volume)

    def _set(self, node: etree._Element, kind: str, **attributes: str) -> None:
        node.set("type", kind)
        source = etree.Element("source")
        driver = node.find("driver")
        tree.insert(node, source, 0 if driver is None else node.index(driver) + 1)
        for name, value in attributes.items():
            source.set(name, value)
