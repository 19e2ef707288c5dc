"""A slot: one place in an element that holds one value, read and written as text.

    "driver/@cache"   an attribute, of the element itself when there is no "/"
    "serial"          the text of a child
    "readonly?"       whether a child is there: "yes" or ""

Writing "" empties the slot and removes what became empty with it; nothing else is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lxml import etree

from virt.xml import tree
from virt.xml.read.values import size_bytes, whole


class Slot(Protocol):
    def read(self, node: etree._Element) -> str: ...

    def write(self, node: etree._Element, value: str) -> None: ...


@dataclass(frozen=True)
class At:
    """The slot at a path, as above. `usual` is what libvirt means where it is empty: it is read, and not written, as ""."""

    path: str

    def read(self, node: etree._Element) -> str:
        way, last = _split(self.path)
        holder = _follow(node, way)
        if holder is None:
            return ""
        if last.startswith("@"):
            return str(holder.get(last[1:]) or "")
        if last.endswith("?"):
            return "yes" if holder.find(last[:-1]) is not None else ""
        return (holder.findtext(last) or "").strip()

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        way, last = _split(self.path)
        if not value:
            _empty(node, way, last)
            return
        holder = node
        for name in way:
            found = holder.find(name)
            holder = tree.append(holder, name) if found is None else found
        _put(holder, last, value)


@dataclass(frozen=True)
class Size:
    """A size with a unit, in bytes; written in KiB, as libvirt does."""

    path: str

    def read(self, node: etree._Element) -> str:
        found = node.find(self.path)
        return "" if found is None else str(size_bytes(found))

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        At(self.path).write(node, str(whole(value) // 1024) if value else "")
        found = node.find(self.path)
        if found is not None:
            found.set("unit", "KiB")


@dataclass(frozen=True)
class OnOff:
    """An attribute whose two words are not yes and no: Flag("link/@state", "down", "up") reads "yes" when it is "down"."""

    path: str
    yes: str
    no: str = ""

    def read(self, node: etree._Element) -> str:
        return "yes" if At(self.path).read(node) == self.yes else ""

    def write(self, node: etree._Element, value: str) -> None:
        if value != self.read(node):
            At(self.path).write(node, self.yes if value else self.no)


def _split(path: str) -> tuple[list[str], str]:
    *way, last = path.split("/")
    return way, last


def _follow(node: etree._Element, way: list[str]) -> etree._Element | None:
    holder: etree._Element | None = node
    for name in way:
        holder = holder.find(name) if holder is not None else None
    return holder


def _put(holder: etree._Element, last: str, value: str) -> None:
    if last.startswith("@"):
        holder.set(last[1:], value)
    elif last.endswith("?"):
        tree.append(holder, last[:-1])
    else:
        found = holder.find(last)
        (tree.append(holder, last) if found is None else found).text = value


def _empty(node: etree._Element, way: list[str], last: str) -> None:
    """Take the value out, then each element on the way that holds nothing any more."""
    holder = _follow(node, way)
    if holder is None:
        return
    if last.startswith("@"):
        del holder.attrib[last[1:]]
    elif (found := holder.find(last.removesuffix("?"))) is not None:
        tree.remove(found)
    while holder is not node and not holder.attrib and len(holder) == 0 and not (holder.text or "").strip():
        parent = holder.getparent()
        assert parent is not None
        tree.remove(holder)
        holder = parent
