"""Virtual networks, in short."""

from __future__ import annotations

from dataclasses import dataclass

import libvirt

from virt.xml.read.network import read_network_link


@dataclass(frozen=True, slots=True)
class NetworkBrief:
    """A network. `forward` is "nat", "route", "bridge" …, "isolated" without any; `bridge` may be "" while inactive."""

    name: str
    uuid: str
    active: bool
    autostart: bool
    forward: str
    bridge: str


@dataclass(frozen=True, slots=True)
class Lease:
    """An address that a network of the host gave to a card; `mac` in lower case."""

    mac: str
    ip: str
    prefix: int


def leases(raw: libvirt.virConnect) -> list[Lease]:
    """The leases in force on all active networks: one call each, however many machines there are. [] where a driver knows none."""
    found: list[Lease] = []
    try:
        for item in raw.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
            found += _leases(item)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
    return found


def briefs(raw: libvirt.virConnect) -> list[NetworkBrief]:
    """All networks, by name. A network that goes away meanwhile is left out; [] where there is no network driver."""
    try:
        networks = raw.listAllNetworks(0)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return []
        raise
    found = [brief for item in networks if (brief := _brief(item))]
    return sorted(found, key=lambda brief: brief.name)


def _brief(item: libvirt.virNetwork) -> NetworkBrief | None:
    try:
        link = read_network_link(item.XMLDesc(0))
        active = bool(item.isActive())
        # a transient network can't have autostart, and says so by an error
        autostart = bool(item.isPersistent()) and bool(item.autostart())
        return NetworkBrief(item.name(), item.UUIDString(), active, autostart, link.forward, link.bridge)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
            return None
        raise


def _leases(item: libvirt.virNetwork) -> list[Lease]:
    try:
        return [Lease(given["mac"].lower(), given["ipaddr"], given["prefix"]) for given in item.DHCPLeases() if given.get("mac")]
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in (libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_ERR_OPERATION_INVALID):
            return []  # it went away, or was stopped, meanwhile
        raise
