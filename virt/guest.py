"""What only the guest, or the network it is on, can tell: its addresses, its operating system.

All of it is text that a guest chose: data, never to be trusted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import libvirt

from virt.connection import Connection
from virt.errors import GuestSilent, NotFound, Unsupported, WrongState
from virt.translation import translate

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address of a machine; `mac` in lower case, "" where the agent tells none."""

    ip: str
    prefix: int
    mac: str
    source: Literal["agent", "lease"]


@dataclass(frozen=True, slots=True)
class Guest:
    """What the guest agent says; "" for what it does not."""

    os_id: str
    os_name: str
    os_version: str
    kernel: str
    hostname: str
    timezone: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A user at work in the guest, since `at` (seconds since 1970, by the guest's clock)."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A mounted file system; sizes 0 where the agent tells none. `disks`: targets of the machine's disks that it is on."""

    mount: str
    kind: str
    total_bytes: int
    used_bytes: int
    disks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What changes while a guest works."""

    users: tuple[LoggedIn, ...] = ()
    filesystems: tuple[FileSystem, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What an answering agent said; `guest` and `report` are None when it was not asked for that, or the agent is too old to say."""

    addresses: tuple[Address, ...]
    guest: Guest | None
    report: Report | None = None


def ask(connection: Connection, uuid: str, *, about_itself: bool) -> Told:
    """Ask a running machine's agent for its addresses and, with `about_itself`, for its system and name.

    Raises GuestSilent when nobody answers, which a hung agent takes five seconds for; NotFound; WrongState when it does not run.
    """
    with translate():
        domain = connection.aside.lookupByUUIDString(uuid)
        interfaces = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, 0)
    found: dict[str, Address] = {}
    _collect(interfaces, "agent", found)
    return Told(tuple(_sorted(found)), *(_about_itself(domain) if about_itself else (None, None)))


def addresses(connection: Connection, uuid: str, *, agent: bool = True) -> list[Address]:
    """A running machine's addresses: what its agent says, then leases of the host's networks that it left out.

    Loopback is left out, link-local comes last. `agent=False` does not ask the guest (which may take seconds when it
    hangs). [] when nobody knows any, or the machine does not run; raises NotFound.
    """
    with translate():
        domain = connection.aside.lookupByUUIDString(uuid)
    found: dict[str, Address] = {}
    if agent:
        _ask(domain, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, "agent", found)
    _ask(domain, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, "lease", found)
    return _sorted(found)


def guest(connection: Connection, uuid: str) -> Guest | None:
    """What the guest says of itself; None without an answering agent or on a machine that does not run."""
    with translate():
        domain = connection.aside.lookupByUUIDString(uuid)
    return _guest(domain)


def _guest(domain: libvirt.virDomain) -> Guest | None:
    return _about_itself(domain)[0]


def _about_itself(domain: libvirt.virDomain) -> tuple[Guest | None, Report | None]:
    told = _quietly(lambda: domain.guestInfo(_ABOUT_ITSELF, 0))
    return (_guest_of(told), _report_of(told)) if told else (None, None)


_ABOUT_ITSELF = (
    libvirt.VIR_DOMAIN_GUEST_INFO_OS
    | libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME
    | libvirt.VIR_DOMAIN_GUEST_INFO_TIMEZONE
    | libvirt.VIR_DOMAIN_GUEST_INFO_USERS
    | libvirt.VIR_DOMAIN_GUEST_INFO_FILESYSTEM
)
_MOST = 64  # a guest may claim thousands


def _report_of(told: dict[str, Any]) -> Report:
    """libvirt numbers them: user.0.name, fs.0.mountpoint … A guest without a list of either simply has none."""
    users = (LoggedIn(str(told.get(f"user.{n}.name", ""))[:100], float(told.get(f"user.{n}.login-time", 0)) / 1000) for n in _numbers(told, "user.count"))
    systems = (
        FileSystem(
            mount=str(told.get(f"fs.{n}.mountpoint", ""))[:300],
            kind=str(told.get(f"fs.{n}.fstype", ""))[:40],
            total_bytes=int(told.get(f"fs.{n}.total-bytes", 0)),
            used_bytes=int(told.get(f"fs.{n}.used-bytes", 0)),
            disks=tuple(str(told[name])[:40] for m in _numbers(told, f"fs.{n}.disk.count") if (name := f"fs.{n}.disk.{m}.alias") in told),
        )
        for n in _numbers(told, "fs.count")
    )
    return Report(tuple(users), tuple(sorted(systems, key=lambda each: each.mount)))


def _numbers(told: dict[str, Any], name: str) -> range:
    return range(min(int(told.get(name, 0)), _MOST))


def _guest_of(told: dict[str, Any]) -> Guest:
    def word(name: str) -> str:
        return str(told.get(name, ""))[:200]

    return Guest(
        os_id=word("os.id"),
        os_name=word("os.pretty-name") or word("os.name"),
        os_version=word("os.version-id"),
        kernel=word("os.kernel-release"),
        hostname=word("hostname"),
        timezone=word("timezone.name"),
    )


def _ask(domain: libvirt.virDomain, source: int, word: Literal["agent", "lease"], found: dict[str, Address]) -> None:
    _collect(_quietly(lambda: domain.interfaceAddresses(source, 0)) or {}, word, found)


def _collect(interfaces: dict[str, dict[str, Any]], word: Literal["agent", "lease"], found: dict[str, Address]) -> None:
    for interface in interfaces.values():
        for given in interface.get("addrs") or ():
            address = _address(str(given["addr"]), int(given["prefix"]), interface.get("hwaddr") or "", word)
            if address:
                found.setdefault(address.ip, address)


def _sorted(found: dict[str, Address]) -> list[Address]:
    """Link-local last."""
    return sorted(found.values(), key=lambda address: ipaddress.ip_address(address.ip).is_link_local)


def _address(text: str, prefix: int, mac: str, source: Literal["agent", "lease"]) -> Address | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if ip.is_loopback else Address(str(ip), prefix, mac.lower(), source)


def _quietly(ask: Callable[[], _Told]) -> _Told | None:
    """The answer, or None where there is nobody to answer (no agent, no such network). A broken connection still raises."""
    try:
        with translate():
            return ask()
    except (GuestSilent, NotFound, Unsupported, WrongState):
        return None
