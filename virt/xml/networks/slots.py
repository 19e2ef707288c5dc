"""Slots of a <network> that are more than one attribute: addresses, ranges, forwarders, devices. Each reads and writes text (virt.xml.slot)."""

from __future__ import annotations

from ipaddress import ip_interface

from lxml import etree

from virt import addressing
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.read.network import devices_of, family_of, prefix_of
from virt.xml.read.values import attribute


def ip_of(root: etree._Element, family: int) -> etree._Element | None:
    """The first <ip> of the family: the one that the form is about; others stay as they are."""
    return next((node for node in root.iterfind("ip") if family_of(node) == family and attribute(node, "address")), None)


class Cidr:
    """The host's address with the prefix: "192.168.100.1/24"."""

    def __init__(self, family: int) -> None:
        self._family = family

    def read(self, node: etree._Element) -> str:
        ip = ip_of(node, self._family)
        return "" if ip is None else f"{attribute(ip, 'address')}/{prefix_of(ip)}"

    def write(self, node: etree._Element, value: str) -> None:
        """Without an address its DHCP goes too."""
        ip = ip_of(node, self._family)
        if not value:
            if ip is not None:
                tree.remove(ip)
            return
        wanted = addressing.interface(value, self._family)
        if ip is None:
            ip = tree.append(node, "ip")
            if self._family == 6:
                ip.set("family", "ipv6")
        ip.attrib.pop("netmask", "")
        ip.set("address", str(wanted.ip))
        ip.set("prefix", str(wanted.network.prefixlen))


class Ranges:
    """What DHCP gives out, one range a line: "192.168.100.2 - 192.168.100.254". Ranges that stay keep what else they have (the lease's time)."""

    def __init__(self, family: int) -> None:
        self._family = family

    def read(self, node: etree._Element) -> str:
        ip = ip_of(node, self._family)
        return "" if ip is None else "\n".join(_line(each) for each in ip.iterfind("dhcp/range"))

    def write(self, node: etree._Element, value: str) -> None:
        ip = ip_of(node, self._family)
        if ip is None:
            if value:
                raise Invalid("Addresses are given out of a network: give the host's own address in it first.")
            return
        wanted = [f"{each.start} - {each.end}" for each in addressing.ranges(value, self._family)]
        dhcp = ip.find("dhcp")
        dhcp = tree.append(ip, "dhcp") if dhcp is None else dhcp
        there = {_line(each): each for each in dhcp.findall("range")}
        for line, each in there.items():
            if line not in wanted:
                tree.remove(each)
        for line in wanted:
            if line not in there:
                start, _, end = line.partition(" - ")
                made = etree.Element("range", start=start, end=end)
                tree.insert(dhcp, made, len(dhcp.findall("range")))
        if len(dhcp) == 0:
            tree.remove(dhcp)


class Forwarders:
    """Where the network's DNS asks, one a line: "9.9.9.9", or "corp.example 10.0.0.53" for one domain alone."""

    def read(self, node: etree._Element) -> str:
        return "\n".join(f"{attribute(each, 'domain')} {attribute(each, 'addr')}".strip() for each in node.iterfind("dns/forwarder"))

    def write(self, node: etree._Element, value: str) -> None:
        dns = node.find("dns")
        if dns is None:
            if not value:
                return
            dns = tree.append(node, "dns")
        for each in dns.findall("forwarder"):
            tree.remove(each)
        for place, line in enumerate(_lines(value)):
            domain, address = split_forwarder(line)
            made = etree.Element("forwarder")
            if domain:
                made.set("domain", domain)
            if address:
                made.set("addr", address)
            tree.insert(dns, made, place)
        if len(dns) == 0 and not dns.attrib:
            tree.remove(dns)


def split_forwarder(line: str) -> tuple[str, str]:
    """(domain, address) of a line; either may be "". Raises Invalid."""
    *domain, last = line.split()
    if len(domain) > 1:
        raise Invalid(f"“{line}”: an address, or a domain and an address.")
    name, address = (domain[0], last) if domain else ("", last)
    if not domain and addressing.host_name_problem(last) == "":
        return last, ""  # libvirt's own server answers for this domain alone
    if name and (words := addressing.host_name_problem(name)):
        raise Invalid(f"“{name}”: {words}")
    return name, str(addressing.plain(address))


class OneDevice:
    """The one device of the host that a network goes out by; "" is whichever the host's routes choose."""

    def read(self, node: etree._Element) -> str:
        return next(iter(devices_of(node.find("forward"))), "")

    def write(self, node: etree._Element, value: str) -> None:
        forward = node.find("forward")
        if forward is None:
            return
        forget_devices(node)
        if value:
            forward.set("dev", value)


class Devices:
    """The devices of the host that machines are put on by turns, one a line."""

    def read(self, node: etree._Element) -> str:
        return "\n".join(devices_of(node.find("forward")))

    def write(self, node: etree._Element, value: str) -> None:
        forward = node.find("forward")
        if forward is None or value == self.read(node):
            return
        wanted = _lines(value)
        forward.attrib.pop("dev", "")
        there = {attribute(each, "dev"): each for each in forward.findall("interface")}
        for name, each in there.items():
            if name not in wanted:
                tree.remove(each)
        for name in wanted:
            if name not in there:
                tree.append(forward, "interface").set("dev", name)


def forget_devices(root: etree._Element) -> None:
    forward = root.find("forward")
    if forward is not None:
        forward.attrib.pop("dev", "")
        for each in [*forward.findall("interface"), *forward.findall("pf")]:
            tree.remove(each)


def set_forward(root: etree._Element, mode: str) -> None:
    """<forward mode=…>; what belongs to NAT alone goes with NAT."""
    forward = root.find("forward")
    if forward is None:
        forward = etree.Element("forward")
        tree.insert(root, forward, _after_identity(root))
    forward.set("mode", mode)
    nat = forward.find("nat")
    if mode != "nat" and nat is not None:
        tree.remove(nat)


def _after_identity(root: etree._Element) -> int:
    """libvirt's own order, for who reads it: name, uuid, then this."""
    return sum(1 for node in root if node.tag in ("name", "uuid", "title", "description", "metadata"))


def addresses(root: etree._Element) -> list[addressing.Interface]:
    """All that the host has in the network; what can't be read is left out."""
    found: list[addressing.Interface] = []
    for node in root.iterfind("ip"):
        try:
            found.append(ip_interface(f"{attribute(node, 'address')}/{prefix_of(node)}"))
        except ValueError:
            continue
    return found


def _line(node: etree._Element) -> str:
    return f"{attribute(node, 'start')} - {attribute(node, 'end')}"


def _lines(value: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in value.splitlines() if line.strip()))
