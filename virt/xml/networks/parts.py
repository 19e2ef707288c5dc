"""What a network can have several of: fixed addresses, names, services, port groups. Each is named by its place among its kind.

A place means something in one definition alone: whoever names one says by its digest which definition that was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from virt import addressing
from virt.addressing import Fixed
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.devices.kind import Field
from virt.xml.devices.nic import Vlan, name_problem, vlan_problem
from virt.xml.networks.common import limits, limits_problems
from virt.xml.networks.mode import Values
from virt.xml.networks.slots import addresses
from virt.xml.read.values import attribute, text
from virt.xml.slot import OnOff

SectionName = Literal["ip-dhcp-host", "ip-dhcp-range", "forward-interface", "portgroup", "dns-host", "dns-txt", "dns-srv"]


def _nothing(root: etree._Element, values: Values, but: etree._Element | None) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Part:
    """A kind of thing that a network has several of.

    section    libvirt's word for it in an update of a running network
    path       where its elements are below <network>
    parent     (<network>, values) → the element that a new one goes into
    check      (<network>, values of all fields, the element that is changed) → field → what is wrong with it beside the others
    name_of    (element) → what a person calls it
    """

    name: str
    title: str
    many: str
    icon: str
    section: SectionName
    path: str
    fields: tuple[Field, ...]
    parent: Callable[[etree._Element, Values], etree._Element]
    name_of: Callable[[etree._Element], str]
    check: Callable[[etree._Element, Values, etree._Element | None], dict[str, str]] = _nothing

    @property
    def tag(self) -> str:
        return self.path.rpartition("/")[2]

    def nodes(self, root: etree._Element) -> list[etree._Element]:
        return root.findall(self.path)

    def at(self, root: etree._Element, place: int) -> etree._Element | None:
        found = self.nodes(root)
        return found[place] if 0 <= place < len(found) else None

    def read(self, node: etree._Element) -> Values:
        return {each.name: each.read(node) for each in self.fields}

    def field(self, name: str) -> Field:
        """Raises Invalid for a name that it has not."""
        for each in self.fields:
            if each.name == name:
                return each
        raise Invalid(f"{self.title} has no “{name}”.")

    def make(self, root: etree._Element, values: Values) -> etree._Element:
        """A new one, behind the others of its kind."""
        parent = self.parent(root, values)
        node = etree.Element(self.tag)
        last = max((place for place, each in enumerate(parent) if each.tag == self.tag), default=len(parent) - 1)
        tree.insert(parent, node, last + 1)
        self.write(node, values)
        return node

    def write(self, node: etree._Element, values: Values) -> None:
        """Write the fields that are named and differ."""
        for each in self.fields:
            if each.name in values and values[each.name] != each.read(node):
                each.place.write(node, values[each.name])

    def remove(self, node: etree._Element) -> None:
        """Take it out, with what held nothing else."""
        parent = node.getparent()
        tree.remove(node)
        if parent is not None and parent.tag in ("dns", "dhcp") and len(parent) == 0 and not parent.attrib:
            tree.remove(parent)

    def problems(self, root: etree._Element, values: Values, but: etree._Element | None = None) -> dict[str, str]:
        """Field → what is wrong with it. `but`: the element that is changed; its values count where none is given."""
        before = self.read(but) if but is not None else {}
        full = {each.name: values.get(each.name, before.get(each.name, "")) for each in self.fields}
        for name in values:
            self.field(name)
        found = {name: words for name, value in full.items() if (words := self.field(name).problem(value))}
        return found or self.check(root, full, but)


class _Names:
    """<hostname> elements, as words with spaces between them."""

    def read(self, node: etree._Element) -> str:
        return " ".join(text(each) for each in node.iterfind("hostname"))

    def write(self, node: etree._Element, value: str) -> None:
        for each in node.findall("hostname"):
            tree.remove(each)
        for name in value.split():
            tree.append(node, "hostname").text = name


# ── fixed addresses ──


def _dhcp(root: etree._Element, values: Values) -> etree._Element:
    """Of the address whose network the fixed one is in."""
    ip = addressing.plain(values.get("ip", ""))
    for node, home in zip((each for each in root.iterfind("ip")), addresses(root), strict=False):
        if ip in home.network:
            found = node.find("dhcp")
            return tree.append(node, "dhcp") if found is None else found
    raise Invalid(f"{ip} is in none of the network's own addresses.")


def _fixed(node: etree._Element) -> Fixed:
    return Fixed(attribute(node, "mac"), attribute(node, "ip"), attribute(node, "name"), attribute(node, "id"))


def fixed_in(root: etree._Element, but: etree._Element | None = None) -> list[Fixed]:
    return [_fixed(node) for node in root.iterfind("ip/dhcp/host") if node is not but]


def _check_fixed(root: etree._Element, values: Values, but: etree._Element | None) -> dict[str, str]:
    wanted = Fixed(values["mac"], values["ip"], values["name"], values["client"])
    problems = addressing.fixed_problems(wanted, addresses(root), fixed_in(root, but))
    home = but.getparent() if but is not None else None
    holder = home.getparent() if home is not None else None
    if not problems and holder is not None and not _holds(holder, values["ip"]):
        return {"ip": "This is in another of the network's address ranges: remove the fixed address and make a new one."}
    return problems


def _holds(ip: etree._Element, address: str) -> bool:
    alone = etree.Element("network")
    alone.append(tree.twin(ip))
    return any(addressing.plain(address) in home.network for home in addresses(alone))


FIXED = Part(
    name="fixed",
    title="Fixed address",
    many="Fixed addresses",
    icon="pin",
    section="ip-dhcp-host",
    path="ip/dhcp/host",
    fields=(
        Field("ip", "Address", "@ip", required=True),
        Field("mac", "MAC address", "@mac", hint="Of the card that gets it, such as 52:54:00:12:ab:cd"),
        Field("name", "Name", "@name", hint="The network's DNS knows it by this name"),
        # Not "id": in a browser a form's field of that name hides the form's own id.
        Field("client", "Client's id (DUID)", "@id", hint="With IPv6 instead of the MAC", rare=True),
    ),
    parent=_dhcp,
    name_of=lambda node: attribute(node, "name") or attribute(node, "ip"),
    check=_check_fixed,
)


# ── DNS ──


def _dns(root: etree._Element, values: Values) -> etree._Element:
    found = root.find("dns")
    return tree.append(root, "dns") if found is None else found


def _check_name(root: etree._Element, values: Values, but: etree._Element | None) -> dict[str, str]:
    try:
        address = addressing.plain(values["ip"])
    except Invalid as exc:
        return {"ip": str(exc)}
    if any(attribute(node, "ip") == str(address) for node in root.iterfind("dns/host") if node is not but):
        return {"ip": "This address has its names already: add to those."}
    for name in values["names"].split():
        if words := addressing.host_name_problem(name):
            return {"names": f"“{name}”: {words}"}
    return {}


NAME = Part(
    name="name",
    title="Name",
    many="Names",
    icon="tag",
    section="dns-host",
    path="dns/host",
    fields=(Field("ip", "Address", "@ip", required=True), Field("names", "Names", _Names(), required=True, hint="Several with spaces between them")),
    parent=_dns,
    name_of=lambda node: _Names().read(node),
    check=_check_name,
)


def _service_problem(value: str) -> str:
    good = value.isascii() and value.replace("-", "").replace("_", "").isalnum() and len(value) <= 63
    return "" if good else "Letters, digits and “-”, such as ldap."


SRV = Part(
    name="srv",
    title="Service",
    many="Services",
    icon="map-pin",
    section="dns-srv",
    path="dns/srv",
    fields=(
        Field("service", "Service", "@service", required=True, hint="Such as ldap", check=_service_problem),
        Field("protocol", "Protocol", "@protocol", "choice", (("tcp", "tcp"), ("udp", "udp")), default="tcp", required=True, free=True, check=_service_problem),
        Field("domain", "Domain", "@domain", hint="The network's own if empty", check=addressing.host_name_problem),
        Field("target", "Machine", "@target", hint="Its name, such as ldap1.lab.example", check=addressing.host_name_problem),
        Field("port", "Port", "@port", "number", least=1, most=65_535),
        Field("priority", "Priority", "@priority", "number", most=65_535, rare=True),
        Field("weight", "Weight", "@weight", "number", most=65_535, rare=True),
    ),
    parent=_dns,
    name_of=lambda node: f"_{attribute(node, 'service')}._{attribute(node, 'protocol')}",
    check=lambda root, values, but: {"target": "A port is a machine's: which one?"} if values["port"] and not values["target"] else {},
)


def _check_txt(root: etree._Element, values: Values, but: etree._Element | None) -> dict[str, str]:
    taken = any(attribute(node, "name") == values["name"] for node in root.iterfind("dns/txt") if node is not but)
    return {"name": "There is a text of this name."} if taken else {}


def _text_name_problem(value: str) -> str:
    return "A name without spaces or commas." if any(letter.isspace() or letter == "," for letter in value) else addressing.host_name_problem(value)


TXT = Part(
    name="txt",
    title="Text",
    many="Texts",
    icon="notes",
    section="dns-txt",
    path="dns/txt",
    fields=(Field("name", "Name", "@name", required=True, check=_text_name_problem), Field("value", "Text", "@value", required=True)),
    parent=_dns,
    name_of=lambda node: attribute(node, "name"),
    check=_check_txt,
)


# ── port groups ──


def _whole(root: etree._Element, values: Values) -> etree._Element:
    return root


def _check_portgroup(root: etree._Element, values: Values, but: etree._Element | None) -> dict[str, str]:
    others = [node for node in root.iterfind("portgroup") if node is not but]
    if any(attribute(node, "name") == values["name"] for node in others):
        return {"name": "There is a port group of this name."}
    other = next((attribute(node, "name") for node in others if attribute(node, "default") == "yes"), "")
    if values["default"] and other:
        return {"default": f"{other} is that already; there is only one."}
    if values["vlan"] and attribute(root.find("virtualport"), "type") != "openvswitch":
        return {"vlan": "Only Open vSwitch knows VLANs here."}
    return limits_problems(values)


PORTGROUP = Part(
    name="portgroup",
    title="Port group",
    many="Port groups",
    icon="users",
    section="portgroup",
    path="portgroup",
    fields=(
        Field("name", "Name", "@name", required=True, hint="Cards of machines name it", check=name_problem),
        Field("default", "For cards that name none", OnOff("@default", "yes"), "flag"),
        Field("vlan", "VLAN", Vlan(), check=vlan_problem, hint="Of Open vSwitch; several with commas make a trunk"),
        *limits(live=True),
    ),
    parent=_whole,
    name_of=lambda node: attribute(node, "name"),
    check=_check_portgroup,
)

PARTS: dict[str, Part] = {each.name: each for each in (FIXED, NAME, SRV, TXT, PORTGROUP)}


def part_named(name: str) -> Part:
    """Raises Invalid for a name that there is not."""
    if name not in PARTS:
        raise Invalid(f"A network has no “{name}”.")
    return PARTS[name]


def sections(root: etree._Element) -> dict[SectionName, Sequence[etree._Element]]:
    """The elements that a running network can be given or robbed of, by libvirt's word for them; of DHCP those of all addresses."""
    found: dict[SectionName, Sequence[etree._Element]] = {each.section: each.nodes(root) for each in PARTS.values()}
    found["ip-dhcp-range"] = root.findall("ip/dhcp/range")
    found["forward-interface"] = root.findall("forward/interface")
    return found
