"""The host's end of serial lines, consoles and channels: https://libvirt.org/formatdomain.html#consoles-serial-parallel-channel-devices"""

from __future__ import annotations

from lxml import etree

from virt.xml import tree
from virt.xml.devices.kind import Field
from virt.xml.slot import At

_PATHS = ("file", "pipe", "dev", "unix")
TYPES = (("pty", "WebVirt's console (pty)"), ("unix", "Unix socket"), ("file", "File on the host"), ("tcp", "TCP"), ("null", "Nowhere"))


class End:
    """@type; with another one, what <source> said before is of no use."""

    def read(self, node: etree._Element) -> str:
        return node.get("type") or ""

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        source = node.find("source")
        if source is not None:
            tree.remove(source)
        node.attrib.pop("tty", "")
        node.set("type", value)


class Path:
    """Of a file, device or socket on the host; what libvirt chose for a running machine is not read."""

    def read(self, node: etree._Element) -> str:
        return At("source/@path").read(node) if node.get("type") in ("file", "pipe", "dev") else ""

    def write(self, node: etree._Element, value: str) -> None:
        At("source/@path").write(node, value)
        if node.get("type") == "unix" and value:
            At("source/@mode").write(node, "bind")


def path_problem(value: str) -> str:
    return "" if value.startswith("/") and "/../" not in f"{value}/" else "A path on the host that begins with “/”."


def ends(types: tuple[tuple[str, str], ...] = TYPES, default: str = "pty") -> tuple[Field, ...]:
    return (
        Field("type", "Host side", End(), "choice", types, default=default, required=True, free=True),
        Field("path", "Path on the host", Path(), check=path_problem, when=("type", _PATHS)),
        Field("host", "Address", "source/@host", when=("type", ("tcp",)), rare=True),
        Field("service", "Port", "source/@service", "number", least=1, most=65535, when=("type", ("tcp",)), rare=True),
    )
