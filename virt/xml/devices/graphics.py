"""<graphics>: https://libvirt.org/formatdomain.html#graphical-framebuffers"""

from __future__ import annotations

import re

from lxml import etree

from virt.xml import tree
from virt.xml.devices.kind import Field, Kind
from virt.xml.read.values import attribute
from virt.xml.slot import At


class _Listen:
    """Where it is reached: "socket" (nobody on the network), "none", or an address."""

    def read(self, node: etree._Element) -> str:
        listen = node.find("listen")
        kind = attribute(listen, "type")
        if kind in ("socket", "none"):
            return kind
        if kind == "network":
            return f"network:{attribute(listen, 'network')}"
        return attribute(listen, "address") or attribute(node, "listen")

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        for listen in node.findall("listen"):
            tree.remove(listen)
        for name in ("listen", "socket"):
            node.attrib.pop(name, "")
        if not value:
            return
        listen = etree.Element("listen")
        tree.insert(node, listen, 0)
        if value in ("socket", "none"):
            listen.set("type", value)
            for name in ("port", "autoport", "tlsPort", "websocket"):
                node.attrib.pop(name, "")
            return
        listen.set("type", "address")
        listen.set("address", value)
        if "port" not in node.attrib:
            node.set("autoport", "yes")


class _Port:
    """ "" while libvirt chooses one."""

    def read(self, node: etree._Element) -> str:
        port = node.get("port") or ""
        return "" if node.get("autoport") == "yes" or port == "-1" else port

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        if value:
            node.set("port", value)
            node.set("autoport", "no")
        else:
            node.attrib.pop("port", "")
            node.set("autoport", "yes")


def listen_problem(value: str) -> str:
    return "" if value in ("socket", "none") or re.fullmatch(r"[0-9a-fA-F.:]{2,45}", value) else "An address, “socket” or “none”."


def password_problem(value: str) -> str:
    return "" if len(value) <= 60 else "At most 60 characters; VNC reads only the first eight."


KIND = Kind(
    name="graphics",
    title="Display",
    icon="device-tv",
    group="other",
    tag="graphics",
    most=4,
    name_of=lambda node: f"Display {(node.get('type') or '').upper()}",
    summary=lambda node: _Listen().read(node),
    fields=(
        Field("type", "Protocol", "@type", "choice", (("vnc", "VNC"), ("spice", "SPICE")), default="vnc", required=True, free=True),
        Field(
            "listen",
            "Reached at",
            _Listen(),
            default="socket",
            check=listen_problem,
            hint="“socket”: by WebVirt alone; 127.0.0.1: by the host; 0.0.0.0: by everybody",
        ),
        Field("port", "Port", _Port(), "number", least=1, most=65535, hint="Empty: a free one", compared=False),
        Field("keymap", "Keyboard", At("@keymap"), check=lambda value: "" if re.fullmatch(r"[a-z-]{2,12}", value) else "Such as de or en-us.", rare=True),
        Field(
            "password",
            "Password",
            "@passwd",
            "secret",
            check=password_problem,
            live="update",
            hint="Empty: as it is. A VNC display without one gets it at next boot",
        ),
    ),
)
