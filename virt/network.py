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
