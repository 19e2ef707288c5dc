"""Sections that several modes have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lxml import etree

from virt import addressing
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.devices.kind import Field
from virt.xml.devices.nic import Vlan, vlan_problem
from virt.xml.networks.mode import Section, Values
from virt.xml.networks.slots import Cidr, Devices, Forwarders, OneDevice, Ranges, forget_devices, set_forward, split_forwarder
from virt.xml.slot import At, OnOff

OWN_PARTS = ("fixed", "name", "srv", "txt", "portgroup")


def _problem(check: Callable[[str], object]) -> Callable[[str], str]:
    """A check that raises, as one that answers in words."""

    def look(value: str) -> str:
        try:
            check(value)
        except Invalid as exc:
            return str(exc)
        return ""

    return look


def _lines_problem(check: Callable[[str], object]) -> Callable[[str], str]:
    return _problem(lambda value: [check(line.strip()) for line in value.splitlines() if line.strip()])


def _device(line: str) -> None:
    if words := addressing.bridge_problem(line):
        raise Invalid(f"“{line}”: {words}")


def _address(family: int, example: str) -> Field:
    return Field(
        f"address{family}",
        "Address of the host",
        Cidr(family),
        hint=f"With the prefix, such as {example}",
        check=_problem(lambda value: addressing.interface(value, family)),
    )


def _ranges(family: int, hint: str) -> Field:
    return Field(
        f"ranges{family}",
        "DHCP gives out",
        Ranges(family),
        "lines",
        live="update",
        hint=hint,
        check=_problem(lambda value: addressing.ranges(value, family)),
    )


IPV4 = Section(
    "ipv4",
    "IPv4",
    "Empty: machines get no IPv4 here",
    (_address(4, "192.168.100.1/24"), _ranges(4, "First and last address, one range a line; empty: no DHCP")),
)
IPV6 = Section(
    "ipv6",
    "IPv6",
    "Empty: machines get no IPv6 here",
    (
        _address(6, "fd00:100::1/64"),
        _ranges(6, "As fd00:100::100 - fd00:100::1ff. Machines find the prefix by themselves in any case"),
    ),
)
DNS = Section(
    "dns",
    "DNS",
    "The host answers names for the network",
    (
        Field("domain", "Domain", "domain/@name", hint="Machines get it by DHCP, such as lab.example", check=addressing.host_name_problem),
        Field("local_only", "Never ask others about names of this domain", OnOff("domain/@localOnly", "yes"), "flag", rare=True),
        Field("dns_off", "No DNS here: machines ask elsewhere", OnOff("dns/@enable", "no"), "flag", rare=True),
        Field(
            "forwarders",
            "Ask",
            Forwarders(),
            "lines",
            hint="One a line: 9.9.9.9, or corp.example 10.0.0.53 for one domain; empty: as the host does",
            check=_lines_problem(split_forwarder),
            rare=True,
        ),
    ),
)
MTU = Field("mtu", "MTU", "mtu/@size", "number", least=576, most=65_535, hint="1500 if empty", rare=True)
APART = Field("apart", "Machines don't reach one another, only what is outside", OnOff("port/@isolated", "yes"), "flag", rare=True)
HOST_APART = replace(APART, name="host_apart")  # of another section: a form holds the fields of all modes
OWN_BRIDGE = Section(
    "own",
    "Bridge",
    "libvirt makes it on the host",
    (
        Field("bridge", "Name of the bridge", "bridge/@name", hint="virbr0, virbr1 … if empty", check=addressing.bridge_problem, rare=True),
        MTU,
        Field("stp_off", "No spanning tree", OnOff("bridge/@stp", "off", "on"), "flag", rare=True),
        APART,
    ),
)
DEVICE = Field("device", "Only by", OneDevice(), offers="devices", hint="A device of the host, such as eth0; empty: by any", check=addressing.bridge_problem)
DEVICES = Field(
    "devices",
    "Cards of the host",
    Devices(),
    "lines",
    required=True,
    live="update",
    hint="One a line, such as eth0; with several, machines are put on them by turns",
    check=_lines_problem(_device),
)
HOST_BRIDGE = Field(
    "host_bridge", "Bridge of the host", At("bridge/@name"), offers="bridges", required=True, hint="It must be there already", check=addressing.bridge_problem
)
VLAN = Field("vlan", "VLAN", Vlan(), check=vlan_problem, hint="0 to 4095; several with commas make a trunk; empty: untagged")


def _rate(name: str, title: str, path: str, hint: str = "KiB a second; empty: no limit", live: bool = False) -> Field:
    return Field(name, title, path, "number", least=1, most=2**31 - 1, hint=hint, rare=True, live="update" if live else "")


def limits(*, live: bool) -> tuple[Field, ...]:
    """All machines of a network (or each of a port group) together. `live`: libvirt takes them while it runs."""
    return (
        _rate("in_average", "Into it, on average", "bandwidth/inbound/@average", live=live),
        _rate("in_peak", "Into it, at most", "bandwidth/inbound/@peak", live=live),
        _rate("in_burst", "Into it, at once at most", "bandwidth/inbound/@burst", "KiB", live=live),
        _rate("out_average", "Out of it, on average", "bandwidth/outbound/@average", live=live),
        _rate("out_peak", "Out of it, at most", "bandwidth/outbound/@peak", live=live),
        _rate("out_burst", "Out of it, at once at most", "bandwidth/outbound/@burst", "KiB", live=live),
    )


LIMITS = Section("limits", "Limits", "For the whole network together", limits(live=False))


# ── what fields must be beside one another ──


def limits_problems(values: Values) -> dict[str, str]:
    """libvirt wants the average with any of the others, and no peak below it."""
    found: dict[str, str] = {}
    for way in ("in", "out"):
        average, peak, burst = (values.get(f"{way}_{name}", "") for name in ("average", "peak", "burst"))
        if (peak or burst) and not average:
            found[f"{way}_average"] = "The average is needed with the others."
        elif peak and int(peak) < int(average):
            found[f"{way}_peak"] = "This is less than the average."
    return found


def own_problems(values: Values) -> dict[str, str]:
    """Of a network with addresses of its own."""
    found = limits_problems(values)
    for family in (4, 6):
        address, ranges = values.get(f"address{family}", ""), values.get(f"ranges{family}", "")
        if not ranges:
            continue
        if not address:
            found[f"address{family}"] = "Addresses are given out of a network: give the host's own address in it."
            continue
        home = addressing.interface(address, family)
        if words := addressing.needs_64(home.network):
            found[f"address{family}"] = words
        elif words := addressing.range_problem(addressing.ranges(ranges, family), home):
            found[f"ranges{family}"] = words
    if values.get("local_only") and not values.get("domain"):
        found["domain"] = "Which domain is meant?"
    if values.get("dns_off") and values.get("forwarders"):
        found["forwarders"] = "Without DNS nobody is asked."
    return found


def addresses_needed(values: Values) -> dict[str, str]:
    """Of a network that others than its machines are reached by."""
    if values.get("address4") or values.get("address6"):
        return own_problems(values)
    return {"address4": "An address of the host is needed: machines go out by it."}


# ── entering a mode ──


def enter_own(root: etree._Element, forward: str, *, keeps_device: bool) -> None:
    """A mode with a bridge of libvirt's; "" is isolated."""
    found = root.find("forward")
    if not forward:
        if found is not None:
            tree.remove(found)
        return
    set_forward(root, forward)
    if not keeps_device:
        forget_devices(root)
