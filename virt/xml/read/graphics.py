"""<graphics>: https://libvirt.org/formatdomain.html#graphical-framebuffers"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.xml.read.values import attribute, whole


@dataclass(frozen=True, slots=True)
class Graphics:
    """A screen of the machine.

    kind      "vnc", "spice", "rdp", "sdl", "egl-headless", "dbus"
    listen    "address", "network", "socket", "none", or "" when not said
    address   where a listening address is bound · socket: path of a listening unix socket (live only)
    port      0: not known, or given at start · tls_port: SPICE
    password  whether one is set can't be read (libvirt hides it): `expires` tells when it ends, "" without
    """

    kind: str
    listen: str
    address: str
    port: int
    tls_port: int
    socket: str
    autoport: bool
    expires: str


def read_graphics(node: etree._Element) -> Graphics:
    """The value of one <graphics>."""
    listen = node.find("listen")
    return Graphics(
        kind=attribute(node, "type"),
        listen=attribute(listen, "type"),
        address=attribute(listen, "address") or attribute(node, "listen"),
        port=max(0, whole(attribute(node, "port"))),
        tls_port=max(0, whole(attribute(node, "tlsPort"))),
        socket=attribute(listen, "socket") or attribute(node, "socket"),
        autoport=attribute(node, "autoport") == "yes",
        expires=attribute(node, "passwdValidTo"),
    )
