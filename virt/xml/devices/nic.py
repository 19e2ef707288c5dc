"""<interface>: https://libvirt.org/formatdomain.html#network-interfaces"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from lxml import etree

from virt.xml import tree
from virt.xml.devices.kind import Field, Kind, Values
from virt.xml.read.values import attribute
from virt.xml.slot import At, OnOff

_WAYS = (("network", "Network"), ("bridge", "Bridge"), ("direct", "Host card (macvtap)"), ("user", "User network (no rights needed)"))
_SOURCE = {"network": "network", "bridge": "bridge", "direct": "dev"}
_MODELS = (("virtio", "virtio"), ("e1000e", "e1000e"), ("e1000", "e1000"), ("rtl8139", "rtl8139"))


class _Way:
    """@type: with another one, what <source> said before is of no use."""

    def read(self, node: etree._Element) -> str:
        return node.get("type") or ""

    def write(self, node: etree._Element, value: str) -> None:
        source = node.find("source")
        if source is not None and value != node.get("type"):
            tree.remove(source)
        node.set("type", value)


class _Source:
    """The network, bridge or card that the way of it asks for."""

    def read(self, node: etree._Element) -> str:
        name = _SOURCE.get(node.get("type") or "")
        return attribute(node.find("source"), name) if name else ""

    def write(self, node: etree._Element, value: str) -> None:
        name = _SOURCE.get(node.get("type") or "")
        if name is None:
            return
        if node.get("type") == "network" and value != self.read(node):
            for stale in ("portid", "bridge"):  # of the port that libvirt opened in the old network
                At(f"source/@{stale}").write(node, "")
        At(f"source/@{name}").write(node, value)


class Vlan:
    """<vlan>: one tag, or several (a trunk) parted by commas."""

    def read(self, node: etree._Element) -> str:
        return ",".join(tag.get("id") or "" for tag in node.iterfind("vlan/tag"))

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        vlan = node.find("vlan")
        if not value:
            if vlan is not None:
                tree.remove(vlan)
            return
        vlan = tree.append(node, "vlan") if vlan is None else vlan
        for tag in vlan.findall("tag"):
            tree.remove(tag)
        numbers = value.split(",")
        for number in numbers:
            tree.append(vlan, "tag").set("id", number)
        if len(numbers) > 1:
            vlan.set("trunk", "yes")
        elif "trunk" in vlan.attrib:
            del vlan.attrib["trunk"]


def vlan_problem(value: str) -> str:
    good = re.fullmatch(r"\d{1,4}(,\d{1,4})*", value) and all(int(number) < 4096 for number in value.split(","))
    return "" if good else "A number from 0 to 4095, or several with commas between them."


def name_problem(value: str) -> str:
    """As the kernel takes names of devices and libvirt those of networks: no slash, no quotes."""
    return "" if re.fullmatch(r"[^/\s'\"<>&]{1,255}", value) else "A name without spaces, quotes or “/”."


def random_mac() -> str:
    """In QEMU's range, as libvirt makes them."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))


def complete(root: etree._Element, others: Iterable[etree._Element], values: Values) -> Values:
    return {**values, "mac": (values.get("mac") or random_mac()).lower()}


def _summary(node: etree._Element) -> str:
    return attribute(node.find("mac"), "address")


def _name(node: etree._Element) -> str:
    where = _Source().read(node) or node.get("type") or ""
    return f"Card {where}"


def _rate(name: str, title: str, path: str) -> Field:
    return Field(name, title, path, "number", live="update", hint="KiB a second; empty: no limit", rare=True)


KIND = Kind(
    name="nic",
    title="Network card",
    icon="network",
    group="network",
    tag="interface",
    key="mac",
    name_of=_name,
    summary=_summary,
    hotplug=lambda node: True,
    complete=complete,
    fields=(
        Field("way", "Connected to", _Way(), "choice", _WAYS, live="update", default="network", required=True, free=True),
        Field("source", "Network", _Source(), offers="networks", live="update", check=name_problem, when=("way", ("network", "bridge", "direct"))),
        Field(
            "mode",
            "Way of macvtap",
            "source/@mode",
            "choice",
            (("", "–"), ("bridge", "bridge"), ("vepa", "vepa"), ("private", "private"), ("passthrough", "passthrough")),
            when=("way", ("direct",)),
        ),
        Field("model", "Model", "model/@type", "choice", _MODELS, default="virtio", free=True),
        Field("mac", "MAC address", "mac/@address", "mac", hint="A new one if empty"),
        Field("down", "Unplugged (link down)", OnOff("link/@state", "down", "up"), "flag", live="update"),
        Field("ovs", "Open vSwitch port", OnOff("virtualport/@type", "openvswitch"), "flag", when=("way", ("bridge", "network"))),
        Field("vlan", "VLAN", Vlan(), check=vlan_problem, live="update", hint="For Open vSwitch and SR-IOV; several with commas make a trunk"),
        Field("portgroup", "Port group", "source/@portgroup", offers="portgroups", check=name_problem, live="update", when=("way", ("network",)), rare=True),
        Field(
            "filter", "Filter", "filterref/@filter", check=name_problem, live="update", rare=True, hint="A network filter of the host, such as clean-traffic"
        ),
        Field("mtu", "MTU", "mtu/@size", "number", least=68, most=65535, rare=True),
        Field("queues", "Queues", "driver/@queues", "number", least=1, most=256, rare=True, hint="For virtio, at most one a vCPU"),
        _rate("in_average", "Into the machine, on average", "bandwidth/inbound/@average"),
        _rate("in_peak", "Into the machine, at most", "bandwidth/inbound/@peak"),
        _rate("out_average", "Out of the machine, on average", "bandwidth/outbound/@average"),
        _rate("out_peak", "Out of the machine, at most", "bandwidth/outbound/@peak"),
    ),
)
