"""<network>: https://libvirt.org/formatnetwork.html"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse
from virt.xml.read.values import attribute, text, whole

# Forward modes of libvirt's that hand machines to a card of the host by macvtap (or by SR-IOV, which "passthrough" can be too).
DIRECT = ("private", "vepa", "passthrough")


@dataclass(frozen=True, slots=True)
class NetworkLink:
    """How a network reaches the world: `forward` "nat", "route", "open", "bridge" …, "isolated" without any."""

    forward: str
    bridge: str


@dataclass(frozen=True, slots=True)
class NetworkAddress:
    """The host's address in the network; `family` 4 or 6. `ranges`: (first, last) of DHCP; `fixed`: how many addresses are fixed."""

    family: int
    address: str
    prefix: int
    ranges: tuple[tuple[str, str], ...]
    fixed: int

    @property
    def has_dhcp(self) -> bool:
        return bool(self.ranges or self.fixed)


@dataclass(frozen=True, slots=True)
class NetworkDefinition:
    """What a network is.

    mode       as virt.xml.networks names them: "nat", "route", "open", "isolated", "bridge", "macvtap", "openvswitch", "hostdev"
    bridge     its own, or the host's; "" where there is none, or none is chosen yet
    devices    of the host that it goes out by
    """

    name: str
    uuid: str
    mode: str
    bridge: str
    devices: tuple[str, ...]
    domain: str
    mtu: int
    vlan: tuple[int, ...]
    portgroups: tuple[str, ...]
    addresses: tuple[NetworkAddress, ...]


def read_network_link(xml: str) -> NetworkLink:
    """The value of a network's XML."""
    root = parse(xml)
    forward = root.find("forward")
    mode = "isolated" if forward is None else attribute(forward, "mode") or "nat"
    return NetworkLink(forward=mode, bridge=attribute(root.find("bridge"), "name"))


def read_network(xml: str) -> NetworkDefinition:
    """The value of a network's XML. Raises Invalid when it is not a network."""
    root = parse(xml)
    if root.tag != "network":
        raise Invalid("This is not the XML of a network.", f"<{root.tag}>")
    return definition_of(root)


def definition_of(root: etree._Element) -> NetworkDefinition:
    return NetworkDefinition(
        name=text(root, "name"),
        uuid=text(root, "uuid"),
        mode=mode_of(root),
        bridge=attribute(root.find("bridge"), "name"),
        devices=devices_of(root.find("forward")),
        domain=attribute(root.find("domain"), "name"),
        mtu=whole(attribute(root.find("mtu"), "size")),
        vlan=tuple(whole(attribute(tag, "id")) for tag in root.iterfind("vlan/tag")),
        portgroups=tuple(attribute(node, "name") for node in root.iterfind("portgroup")),
        addresses=tuple(address for node in root.iterfind("ip") if (address := _address(node))),
    )


def mode_of(root: etree._Element) -> str:
    """Which of our modes a <network> is in."""
    forward = root.find("forward")
    if forward is None:
        return "isolated"
    mode = attribute(forward, "mode") or "nat"
    if mode in DIRECT:
        return "macvtap"
    if mode == "bridge":
        if root.find("bridge") is None:
            return "macvtap"
        return "openvswitch" if attribute(root.find("virtualport"), "type") == "openvswitch" else "bridge"
    return mode


def devices_of(forward: etree._Element | None) -> tuple[str, ...]:
    """Devices of the host that it names, each once: libvirt writes the first one twice."""
    if forward is None:
        return ()
    named = [attribute(forward, "dev"), *(attribute(node, "dev") for node in (*forward.iterfind("interface"), *forward.iterfind("pf")))]
    return tuple(dict.fromkeys(name for name in named if name))


def family_of(node: etree._Element) -> int:
    """4 or 6 of an <ip>."""
    return 6 if attribute(node, "family") == "ipv6" else 4


def prefix_of(node: etree._Element) -> int:
    """Of an <ip>, whether it is given as a prefix, as a netmask, or left to the class of the address as libvirt does."""
    if prefix := attribute(node, "prefix"):
        return whole(prefix)
    if netmask := attribute(node, "netmask"):
        try:
            return ip_network(f"0.0.0.0/{netmask}").prefixlen
        except ValueError:
            return 0
    if family_of(node) == 6:
        return 64
    try:
        first = int(ip_address(attribute(node, "address"))) >> 24
    except ValueError:
        return 0
    return 8 if first < 128 else 16 if first < 192 else 24


def _address(node: etree._Element) -> NetworkAddress | None:
    address = attribute(node, "address")
    if not address:
        return None
    dhcp = node.find("dhcp")
    ranges = () if dhcp is None else tuple((attribute(each, "start"), attribute(each, "end")) for each in dhcp.iterfind("range"))
    return NetworkAddress(family_of(node), address, prefix_of(node), ranges, 0 if dhcp is None else len(dhcp.findall("host")))
