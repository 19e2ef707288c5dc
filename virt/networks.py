"""A host's virtual networks: seeing them with their leases, and what is done to one. Named by uuid throughout."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import libvirt

from virt.connection import Connection
from virt.errors import Conflict, HostUnreachable, Invalid, VirtError
from virt.translation import translate
from virt.xml import tree
from virt.xml.edit.network import Update
from virt.xml.parse import parse
from virt.xml.read.network import NetworkDefinition, read_network
from virt.xml.read.nic import read_nic

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NetworkSeen:
    """A network as its host shows it.

    xml        the definition that it starts with next; of a transient one the running one
    live_xml   what it runs with, "" while it is off
    """

    uuid: str
    name: str
    active: bool
    persistent: bool
    autostart: bool
    xml: str
    live_xml: str

    @property
    def definition(self) -> NetworkDefinition:
        """What is stored, with what only the running one knows: its bridge."""
        return read_network(self.xml)

    @property
    def digest(self) -> str:
        return tree.digest(self.xml)


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """An address that a network gave out. `mac` in lower case, "" where only `client` (an id) is known; `expires`: of the epoch, 0 for ever."""

    network: str
    mac: str
    ip: str
    prefix: int
    name: str
    client: str
    expires: int


@dataclass(frozen=True, slots=True)
class OnNetwork:
    """A machine's card that a network connects. `active`: the machine runs, so that it would lose its link."""

    machine: str
    name: str
    mac: str
    active: bool

    def __str__(self) -> str:
        return self.name


# ── seeing ──


def list_all(connection: Connection) -> tuple[NetworkSeen, ...]:
    """Every network, by name; () where there is no network driver."""
    with translate():
        found = [seen for item in _listed(connection) if (seen := _unless_gone(lambda: _see(item)))]  # noqa: B023 - called at once
    found = [seen for seen in found if not seen.name.startswith(_DETOUR)]
    return tuple(sorted(found, key=lambda seen: seen.name))


def list_leases(connection: Connection) -> tuple[LeaseSeen, ...]:
    """The leases in force of all networks that are on, by network and address; () where a driver knows none."""
    found: list[LeaseSeen] = []
    with translate():
        for item in _listed(connection, libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
            found += _unless_gone(lambda: _leases(item)) or ()  # noqa: B023 - called at once
    return tuple(sorted(found, key=lambda lease: (lease.network, lease.ip)))


def read(connection: Connection, uuid: str) -> NetworkSeen:
    """Raises NotFound."""
    with translate():
        return _see(_network(connection, uuid))


def users_of(connection: Connection, uuid: str) -> list[OnNetwork]:
    """Cards that name the network, asked of the host itself; running machines by what they run with, others by their definitions."""
    with translate():
        name = _network(connection, uuid).name()
        found = []
        for domain in connection.raw.listAllDomains(0):
            found += _unless_no_domain(lambda: _cards(domain, name)) or []  # noqa: B023 - called at once
    return sorted(found, key=lambda card: (not card.active, card.name))


# ── doing ──


def define(connection: Connection, xml: str, *, new: bool = False) -> str:
    """Store a definition, once libvirt has held it against its schema; its uuid. Raises Invalid with libvirt's words.

    With `new`, Conflict where a network of that name is there already.
    """
    with translate():
        raw = connection.raw
        name = read_network(xml).name
        if new and any(item.name() == name for item in raw.listAllNetworks(0)):
            raise Conflict(f"A network {name} is on the host already.")
        try:
            return _define(raw, xml).UUIDString()
        except libvirt.libvirtError as exc:
            if exc.get_error_code() in _INVALID:
                raise Invalid("libvirt does not accept the network.", str(exc.get_error_message() or ""), exc.get_error_code()) from exc
            raise


def start(connection: Connection, uuid: str) -> None:
    with translate():
        _network(connection, uuid).create()


def stop(connection: Connection, uuid: str) -> None:
    """Running machines on it lose their link; a transient network is gone then."""
    with translate():
        _network(connection, uuid).destroy()


def set_autostart(connection: Connection, uuid: str, on: bool) -> None:
    with translate():
        _network(connection, uuid).setAutostart(1 if on else 0)


def undefine(connection: Connection, uuid: str) -> None:
    """Forget it; one that runs goes on as a transient one."""
    with translate():
        _network(connection, uuid).undefine()


def update_live(connection: Connection, uuid: str, updates: Sequence[Update]) -> list[tuple[Update, VirtError]]:
    """Do them to the running network, each by itself; those that it refused, with its words. Raises HostUnreachable: nobody knows then."""
    refused: list[tuple[Update, VirtError]] = []
    for each in updates:
        try:
            with translate():
                section, command = _SECTIONS[each.section], _COMMANDS[each.command]
                _network(connection, uuid).update(command, section, each.parent, each.xml, libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE)
        except HostUnreachable:
            raise
        except VirtError as exc:
            refused.append((each, exc))
    return refused


# ── plugging in again ──


def plug_in(connection: Connection, uuid: str) -> tuple[list[OnNetwork], list[tuple[OnNetwork, VirtError]]]:
    """Plug the cards of running machines in again, after the network's own bridge was made anew: those that are in, and those that are not.

    libvirt (seen with 9.0) leaves them where the old bridge was, and takes an update for no change as long as the bridge's name
    is the same. So each goes to a network made for it, and back. A moment without link is what they have had anyway.
    """
    cards = [card for card in users_of(connection, uuid) if card.active]
    plugged: list[OnNetwork] = []
    missed: list[tuple[OnNetwork, VirtError]] = []
    if not cards:
        return plugged, missed
    with translate():
        name = _network(connection, uuid).name()
        _forget_detours(connection)
        detour = connection.raw.networkCreateXML(f"<network><name>{_DETOUR}{uuid}</name></network>")
    try:
        for card in cards:
            try:
                with translate():
                    _by_detour(connection, card, name, detour.name())
            except HostUnreachable:
                raise
            except VirtError as exc:
                missed.append((card, exc))
            else:
                plugged.append(card)
    finally:
        with translate():
            detour.destroy()
    return plugged, missed


def _by_detour(connection: Connection, card: OnNetwork, name: str, detour: str) -> None:
    domain = connection.raw.lookupByUUIDString(card.machine)
    nodes = tree.parse(domain.XMLDesc(0)).iterfind("devices/interface")
    node = next((each for each in nodes if read_nic(each).mac == card.mac and read_nic(each).source == name), None)
    if node is None:
        return  # it went elsewhere meanwhile
    for network in (detour, name):
        step = tree.twin(node)
        source = step.find("source")
        assert source is not None  # read_nic found its network there
        for stale in ("portid", "bridge"):  # of the port that libvirt opened in the old network
            source.attrib.pop(stale, "")
        if network == detour:
            source.attrib.pop("portgroup", "")
        source.set("network", network)
        domain.updateDeviceFlags(tree.text_of(step), libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _forget_detours(connection: Connection) -> None:
    """Left by a worker that was killed in between."""
    for item in connection.raw.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
        if item.name().startswith(_DETOUR):
            item.destroy()


# ── helpers ──


def _listed(connection: Connection, flags: int = 0) -> list[libvirt.virNetwork]:
    try:
        return connection.aside.listAllNetworks(flags)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return []
        raise


def _network(connection: Connection, uuid: str) -> libvirt.virNetwork:
    return connection.raw.networkLookupByUUIDString(uuid)


def _see(item: libvirt.virNetwork) -> NetworkSeen:
    active, persistent = bool(item.isActive()), bool(item.isPersistent())
    live = _CONNECTIONS.sub("<network>", item.XMLDesc(0), count=1)
    return NetworkSeen(
        uuid=item.UUIDString(),
        name=item.name(),
        active=active,
        persistent=persistent,
        # a transient network can't have autostart, and says so by an error
        autostart=persistent and bool(item.autostart()),
        xml=_stored(item, live) if active and persistent else live,
        live_xml=live if active else "",
    )


def _stored(item: libvirt.virNetwork, live: str) -> str:
    """The test driver keeps one definition alone, and does not know the flag."""
    try:
        return item.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_INVALID_ARG:
            return live
        raise


def _leases(item: libvirt.virNetwork) -> list[LeaseSeen]:
    try:
        return [_lease(item.UUIDString(), given) for given in item.DHCPLeases() if given.get("ipaddr")]
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_SUPPORT):
            return []  # it was stopped meanwhile, has no DHCP of libvirt's, or the driver knows none
        raise


def _lease(network: str, given: dict[str, Any]) -> LeaseSeen:
    return LeaseSeen(
        network=network,
        mac=str(given.get("mac") or "").lower(),
        ip=str(given["ipaddr"]),
        prefix=int(given.get("prefix") or 0),
        name=str(given.get("hostname") or ""),
        client=str(given.get("clientid") or ""),
        expires=int(given.get("expirytime") or 0),
    )


def _cards(domain: libvirt.virDomain, network: str) -> list[OnNetwork]:
    active = bool(domain.isActive())
    cards = [read_nic(node) for node in parse(domain.XMLDesc(0)).iterfind("devices/interface")]
    return [OnNetwork(domain.UUIDString(), domain.name(), card.mac, active) for card in cards if card.kind == "network" and card.source == network]


def _define(raw: libvirt.virConnect, xml: str) -> libvirt.virNetwork:
    if raw.getLibVersion() < _VALIDATES:
        return raw.networkDefineXML(xml)
    return raw.networkDefineXMLFlags(xml, libvirt.VIR_NETWORK_DEFINE_VALIDATE)


def _unless_gone(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
            return None
        raise


def _unless_no_domain(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


_DETOUR = "webvirt-detour-"
_CONNECTIONS = re.compile(r"<network connections='\d+'>")  # how many cards: machines tell that, and it is no part of a definition
_VALIDATES = 7_008_000
_INVALID = (libvirt.VIR_ERR_XML_INVALID_SCHEMA, libvirt.VIR_ERR_XML_DETAIL, libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_CONFIG_UNSUPPORTED)
_SECTIONS = {
    "ip-dhcp-host": libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST,
    "ip-dhcp-range": libvirt.VIR_NETWORK_SECTION_IP_DHCP_RANGE,
    "forward-interface": libvirt.VIR_NETWORK_SECTION_FORWARD_INTERFACE,
    "portgroup": libvirt.VIR_NETWORK_SECTION_PORTGROUP,
    "dns-host": libvirt.VIR_NETWORK_SECTION_DNS_HOST,
    "dns-txt": libvirt.VIR_NETWORK_SECTION_DNS_TXT,
    "dns-srv": libvirt.VIR_NETWORK_SECTION_DNS_SRV,
}
_COMMANDS = {
    "add": libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST,
    "modify": libvirt.VIR_NETWORK_UPDATE_COMMAND_MODIFY,
    "delete": libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE,
}
