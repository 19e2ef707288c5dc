"""Addresses of a network, held against each other before a hypervisor is asked: libvirt says little of them, and that at the start.

Everything here is plain text and `ipaddress`. What makes no sense raises Invalid, in words for who typed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_address, ip_interface

from virt.errors import Invalid

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

MOST_IN_A_RANGE = 65_535  # libvirt's limit (virSocketAddrGetRange)
_SLAAC = 64  # router advertisements and DHCPv6 of dnsmasq want it so
_EXAMPLES = {4: "192.168.100.1/24", 6: "fd00:100::1/64"}
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_DUID = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){1,127}")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_BRIDGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")  # IFNAMSIZ less its NUL


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses that are given out, both ends among them."""

    start: Address
    end: Address

    def __str__(self) -> str:
        return f"{self.start} – {self.end}"

    def __contains__(self, address: object) -> bool:
        return isinstance(address, type(self.start)) and self.start <= address <= self.end  # type: ignore[operator]

    @property
    def size(self) -> int:
        return int(self.end) - int(self.start) + 1


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another network of the same host: its bridge "" where it has none of its own, and the networks that its addresses are in."""

    name: str
    bridge: str
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Fixed:
    """A card that always gets the same address: by its MAC, or with DHCPv6 by its client's id or name; `name` is what it is called by."""

    mac: str
    ip: str
    name: str
    client: str = ""


# ── the network's own address ──


def interface(text: str, version: int) -> Interface:
    """ "192.168.100.1/24" or "192.168.100.1/255.255.255.0": the host's address in the network, with the network's prefix."""
    example = _EXAMPLES[version]
    address, slash, prefix = (part.strip() for part in text.partition("/"))
    if not slash or not prefix:
        raise Invalid(f"An address with its prefix, such as {example}.")
    try:
        found = ip_interface(f"{plain(address, version)}/{prefix}")
    except ValueError as exc:
        raise Invalid(f"“{prefix}” is no prefix of an IPv{version} network, such as {example.partition('/')[2]}.", str(exc)) from exc
    return _fit_for_a_host(found)


def _fit_for_a_host(found: Interface) -> Interface:
    network, address = found.network, found.ip
    least = 8 if found.version == 4 else 16
    if network.prefixlen < least:
        raise Invalid(f"A network of the prefix {network.prefixlen} is too large: {least} at least.")
    if network.prefixlen > network.max_prefixlen - 2:
        raise Invalid(f"A network of the prefix {network.prefixlen} has no room for machines: {network.max_prefixlen - 2} at most.")
    if address.is_unspecified or address.is_loopback or address.is_multicast or (found.version == 4 and address.is_reserved):
        raise Invalid("A network can't have such an address: it is loopback, multicast or reserved.")
    if address.is_link_local:
        raise Invalid("This is a link-local address; cards give themselves such ones.")
    if address == network.network_address:
        raise Invalid(f"This is the address of the network itself. Give the host one in it, such as {_host(network)}.")
    if found.version == 4 and address == network.broadcast_address:
        raise Invalid(f"This is the broadcast address of the network. Give the host another one in it, such as {_host(network)}.")
    return found


def overlap_problem(network: Network, others: Iterable[Neighbour]) -> str:
    """Which other networks of the host have addresses of this one, in words; "" when none has."""
    for other in others:
        for theirs in other.networks:
            if theirs.version == network.version and theirs.overlaps(network):
                return f"{network} overlaps with the network {other.name}, which has {theirs}."
    return ""


def needs_64(network: Network) -> str:
    """An IPv6 network whose machines are to get addresses by themselves."""
    return "" if network.version == 4 or network.prefixlen == _SLAAC else "DHCP for IPv6 needs a network of the prefix 64."


def free_network(others: Iterable[Neighbour], hint: int = 100) -> IPv4Network:
    """A private /24 that none of the others touches, for the form to begin with."""
    taken = list(others)
    for third in [*range(hint, 255), *range(1, hint)]:
        network = IPv4Network(f"192.168.{third}.0/24")
        if not overlap_problem(network, taken):
            return network
    return IPv4Network("10.213.0.0/24")


# ── ranges ──


def ranges(text: str, version: int) -> list[Range]:
    """One a line: "192.168.100.2 - 192.168.100.254". Raises Invalid for what is not two addresses in order."""
    return [_range(line.strip(), version) for line in text.splitlines() if line.strip()]


def _range(line: str, version: int) -> Range:
    parts = re.split(r"\s*[-–—]\s*|\s+to\s+|\s+", line)
    if len(parts) != 2:
        raise Invalid(f"“{line}” is not a first and a last address, such as {_example_range(version)}.")
    start, end = plain(parts[0], version), plain(parts[1], version)
    if int(start) > int(end):
        raise Invalid(f"{start} – {end} goes backwards.")
    return Range(start, end)


def range_problem(wanted: Sequence[Range], within: Interface) -> str:
    """Why addresses of that network can't be given out so, in words; "" when they can."""
    network, gateway = within.network, within.ip
    for place, each in enumerate(wanted):
        if each.start not in network or each.end not in network:
            return f"{each} is not within {network}."
        if gateway in each:
            return f"{each} has the address of the host itself in it, {gateway}."
        if each.start == network.network_address:
            return f"{each} begins with the address of the network itself."
        if within.version == 4 and each.end == network.broadcast_address:
            return f"{each} ends with the broadcast address of the network."
        if each.size > MOST_IN_A_RANGE:
            return f"{each} has {each.size} addresses; libvirt gives out at most {MOST_IN_A_RANGE} of a range."
        for other in wanted[:place]:
            if each.start in other or each.end in other or other.start in each:
                return f"{each} overlaps with {other}."
    return ""


def usual_range(within: Interface) -> Range:
    """All that is free beside the host's own address when that is the first or last one, else the larger side; of IPv6 a small part."""
    network, gateway = within.network, within.ip
    if within.version == 6:
        return Range(network[0x100], network[0x1FF])
    first, last = network[1], network[-2]
    below, above = int(gateway) - int(first), int(last) - int(gateway)
    start, end = (network[int(gateway) - int(network[0]) + 1], last) if above >= below else (first, network[int(gateway) - int(network[0]) - 1])
    most = network[min(int(start) - int(network[0]) + MOST_IN_A_RANGE - 1, int(end) - int(network[0]))]
    return Range(start, most)


# ── fixed addresses, names ──


def fixed_problems(wanted: Fixed, within: Sequence[Interface], others: Iterable[Fixed]) -> dict[str, str]:
    """Field ("mac", "ip", "name", "client") → what is wrong with it. `within`: the network's addresses; `others`: what is fixed already, without this one."""
    found: dict[str, str] = {}
    others, version = list(others), _version(wanted.ip)
    if words := _fixed_address_problem(wanted.ip, within, others):
        found["ip"] = words
    if words := _card_problem(wanted, version, others):
        found["mac"] = words
    if wanted.client and (version == 4 or not _DUID.fullmatch(wanted.client)):
        found["client"] = (
            "IPv4 knows cards by their MAC." if version == 4 else "Pairs of hexadecimal digits with colons, such as 0:1:0:1:2b:6c:5e:1f:52:54:0:aa:bb:cc."
        )
    if wanted.name:
        if words := host_name_problem(wanted.name):
            found["name"] = words
        elif any(each.name.lower() == wanted.name.lower() and _version(each.ip) == version for each in others):
            found["name"] = "Another fixed address has this name."
    return found


def _card_problem(wanted: Fixed, version: int, others: Sequence[Fixed]) -> str:
    """What tells whose address it is: a MAC or a name; with DHCPv6 an id or a name, as MACs are not told there."""
    if version == 6:
        if wanted.mac:
            return "DHCP for IPv6 does not know MAC addresses: give the client's id, or its name."
        return "" if wanted.name or wanted.client else "The client's id, or its name, tells whose address it is."
    if not wanted.mac:
        return "" if wanted.name else "A MAC address or a name tells whose address it is."
    if words := mac_problem(wanted.mac):
        return words
    same = next((each for each in others if each.mac.lower() == wanted.mac.lower() and _version(each.ip) == version), None)
    return f"This card has the fixed address {same.ip} already." if same else ""


def _fixed_address_problem(text: str, within: Sequence[Interface], others: Sequence[Fixed]) -> str:
    try:
        address = plain(text)
    except Invalid as exc:
        return str(exc)
    home = next((each for each in within if address in each.network), None)
    if home is None:
        known = " or ".join(str(each.network) for each in within)
        return f"{address} is not within {known}." if known else "The network gives out no addresses."
    if address == home.ip:
        return "This is the host's own address."
    if address == home.network.network_address or (home.version == 4 and address == home.network.broadcast_address):
        return "This is the address of the network itself, or its broadcast address."
    same = next((each for each in others if _same_address(each.ip, address)), None)
    return f"It is fixed for {same.name or same.mac or same.client} already." if same else ""


def mac_problem(text: str) -> str:
    """Why a card can't have such a MAC, "" when it can."""
    if not _MAC.fullmatch(text):
        return "A MAC address such as 52:54:00:12:ab:cd."
    if int(text[:2], 16) & 1:
        return "This is a multicast address; the second digit must be even."
    return "A card can't have nothing but zeros." if not int(text.replace(":", ""), 16) else ""


def host_name_problem(text: str) -> str:
    """A name as DNS has them (RFC 1123, and “_” as services use it)."""
    labels = text.rstrip(".").split(".")
    good = len(text) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return "" if good else "A name of letters, digits and “-”, with dots between its parts."


def bridge_problem(text: str) -> str:
    """As the kernel takes names of devices, without what a command line could take for something else."""
    if len(text.encode(errors="replace")) > 15:
        return "A device's name has at most 15 characters."
    return "" if _BRIDGE.fullmatch(text) else "Letters, digits, “.”, “_” and “-”, beginning with a letter or digit."


def bridge_clash(text: str, others: Iterable[Neighbour]) -> str:
    """Two networks can't make the same bridge."""
    same = next((other.name for other in others if other.bridge == text), "")
    return f"The network {same} has this bridge." if same else ""


# ── small parts ──


def plain(text: str, version: int = 0) -> Address:
    """A bare address, of the version where one is asked for. Raises Invalid."""
    try:
        found = ip_address(text.strip())
    except ValueError as exc:
        raise Invalid(f"“{text}” is no{f' IPv{version}' if version else ' IP'} address.", str(exc)) from exc
    if version and found.version != version:
        raise Invalid(f"{found} is an IPv{found.version} address; here one of IPv{version} is asked for.")
    if isinstance(found, IPv6Address) and found.scope_id:
        raise Invalid("An address without “%” and the name of a device.")
    return found


def network_of(address: str, prefix: int) -> Network | None:
    """The network of what a host shows; None for what can't be read."""
    try:
        return ip_interface(f"{address}/{prefix}").network
    except ValueError:
        return None


def _host(network: Network) -> Address:
    return network[1]


def _same_address(text: str, address: Address) -> bool:
    try:
        return ip_address(text) == address
    except ValueError:
        return False


def _version(text: str) -> int:
    try:
        return ip_address(text.strip()).version
    except ValueError:
        return 0


def _example_range(version: int) -> str:
    return "192.168.100.2 - 192.168.100.254" if version == 4 else "fd00:100::100 - fd00:100::1ff"
