"""Places in a pool's XML that hold several values, one a line, or none."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.xml import tree


@dataclass(frozen=True)
class Each:
    """An attribute of every child with this tag: Each("source/device", "path")."""

    path: str
    attribute: str

    def read(self, node: etree._Element) -> str:
        return "\n".join(str(each.get(self.attribute) or "") for each in node.iterfind(self.path))

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        for each in _emptied(node, self.path, len(value.split())):
            each.set(self.attribute, value.split()[_place(each)])


@dataclass(frozen=True)
class Hosts:
    """The hosts of a source, "name" or "name:port"; an IPv6 address with a port stands in brackets."""

    path: str = "source/host"

    def read(self, node: etree._Element) -> str:
        return "\n".join(join(str(each.get("name") or ""), str(each.get("port") or "")) for each in node.iterfind(self.path))

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        for each in _emptied(node, self.path, len(value.split())):
            name, port = split(value.split()[_place(each)])
            each.set("name", name)
            if port:
                each.set("port", port)


@dataclass(frozen=True)
class Nowhere:
    """Of what must not stand in the XML."""

    def read(self, node: etree._Element) -> str:
        return ""

    def write(self, node: etree._Element, value: str) -> None:
        return


def split(text: str) -> tuple[str, str]:
    """ "store:3260" → ("store", "3260"); "[::1]:3260" → ("::1", "3260"); "::1" → ("::1", "")."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        return address, port.removeprefix(":")
    name, colon, port = text.rpartition(":")
    return (name, port) if colon and ":" not in name else (text, "")


def join(name: str, port: str) -> str:
    if not port or port == "0":
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _emptied(node: etree._Element, path: str, count: int) -> list[etree._Element]:
    """So many new children where the old ones stood, or after the others."""
    *way, tag = path.split("/")
    parent = node
    for name in way:
        found = parent.find(name)
        parent = tree.append(parent, name) if found is None else found
    for old in parent.findall(tag):
        tree.remove(old)
    return [tree.append(parent, tag) for _ in range(count)]


def _place(node: etree._Element) -> int:
    return sum(1 for _ in node.itersiblings(node.tag, preceding=True))
