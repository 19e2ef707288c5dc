"""A machine's screens as they are right now, and the ways to them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import libvirt
from lxml import etree

from virt.connection import Connection
from virt.errors import WrongState
from virt.translation import translate
from virt.xml.parse import parse
from virt.xml.read.graphics import Graphics, read_graphics
from virt.xml.read.serial import Serial, read_serials
from virt.xml.read.values import attribute


@dataclass(frozen=True, slots=True)
class Display:
    """One running screen.

    index     its place among all <graphics>, as libvirt counts them
    password  the one it asks for, "" without; `until`: when that ends, None for never
    xml       the element, with the password in it
    """

    index: int
    graphics: Graphics
    password: str = field(default="", repr=False)
    until: datetime | None = None
    xml: str = field(default="", repr=False)

    @property
    def expired(self) -> bool:
        """QEMU accepts the password no more."""
        return self.until is not None and self.until <= datetime.now(UTC)

    def is_lent(self, seconds: int) -> bool:
        """Whether its password is good, but ends within so long: one of `renew_password`, or as good as one."""
        return bool(self.password) and self.until is not None and datetime.now(UTC) < self.until <= datetime.now(UTC) + timedelta(seconds=seconds)

    def is_lasting(self, seconds: int) -> bool:
        """Whether its password is good for longer: somebody has set it for others."""
        return bool(self.password) and not self.expired and not self.is_lent(seconds)


@dataclass(frozen=True, slots=True)
class Running:
    """A machine while it runs.

    run  libvirt's number of this run: another one, and every port and socket may belong to somebody else
    """

    run: int
    displays: tuple[Display, ...]
    serials: tuple[Serial, ...]

    def first(self, kind: str) -> Display | None:
        return next((display for display in self.displays if display.graphics.kind == kind), None)


def running(connection: Connection, uuid: str) -> Running:
    """What the machine shows and where. Raises NotFound, WrongState when it does not run."""
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        run = domain.ID()
        if run < 0:
            raise WrongState("The machine is off.")
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    devices = parse(xml).find("devices")
    if devices is None:
        return Running(run, (), ())
    displays = tuple(_display(number, node) for number, node in enumerate(devices.iterfind("graphics")))
    return Running(run, displays, read_serials(devices))


def run_of(connection: Connection, uuid: str) -> int:
    """libvirt's number of the run that the machine is in; -1 while it is off. Raises NotFound."""
    with translate():
        return connection.raw.lookupByUUIDString(uuid).ID()


def open_display(connection: Connection, uuid: str, index: int) -> int:
    """A file descriptor that is connected to the screen, whatever it listens on, and needs no password.

    For a libvirt reached by a unix socket alone: over SSH the call fails and takes the connection with it.
    """
    with translate():
        return connection.raw.lookupByUUIDString(uuid).openGraphicsFD(index, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)


def renew_password(connection: Connection, uuid: str, display: Display, *, seconds: int) -> str:
    """A password that is good for so long, where the display's own has expired: nobody can use that one any more."""
    password = secrets.token_urlsafe(6)  # VNC takes eight characters
    node = parse(display.xml)
    node.set("passwd", password)
    node.set("passwdValidTo", (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S"))
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        domain.updateDeviceFlags(etree.tostring(node, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    return password


def _display(number: int, node: etree._Element) -> Display:
    graphics = read_graphics(node)
    xml = etree.tostring(node, encoding="unicode", with_tail=False)
    return Display(number, graphics, attribute(node, "passwd"), _until(graphics.expires), xml)


def _until(expires: str) -> datetime | None:
    """`expires`: "2026-11-26T08:00:00", in UTC, "" for never."""
    try:
        return datetime.fromisoformat(expires).replace(tzinfo=UTC) if expires else None
    except ValueError:
        return None
