"""What a person wants of a network, held against the host's other networks as the rows show them: the pages' forms and the API ask the same."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from lxml import etree

from hosts.models import Host
from hosts.networks.models import Network
from hosts.networks.users import OWN_BRIDGE
from virt import addressing
from virt.addressing import Neighbour
from virt.xml.edit import network as editing
from virt.xml.edit.network import Edit
from virt.xml.networks import Mode, Values, mode_named

Problems = dict[str, str]


@dataclass(frozen=True)
class Neighbours:
    """The host's networks but one. `bridges`: those of the host's own that networks stand on."""

    networks: tuple[Neighbour, ...]
    names: frozenset[str]

    @classmethod
    def of(cls, host: Host, but: Network | None = None) -> Neighbours:
        rows = Network.objects.filter(host=host, gone_at=None).exclude(pk=but.pk if but else 0)
        found = tuple(_neighbour(row) for row in rows.only("name", "bridge", "mode", "addresses"))
        return cls(found, frozenset(each.name for each in found))

    def problems(self, mode: Mode, values: Values) -> Problems:
        """Field → with which other network it clashes."""
        found: Problems = {}
        if not mode.own:
            return found
        for family in (4, 6):
            text = values.get(f"address{family}", "")
            if text and (words := addressing.overlap_problem(addressing.interface(text, family).network, self.networks)):
                found[f"address{family}"] = words
        if values.get("bridge") and (words := addressing.bridge_clash(values["bridge"], self.networks)):
            found["bridge"] = words
        return found


def of_new(host: Host, name: str, mode: Mode, values: Values) -> Problems:
    """Of a network that is to be made; "name" among the fields."""
    neighbours = Neighbours.of(host)
    found = mode.problems(values) or neighbours.problems(mode, values)
    if name in neighbours.names:
        found["name"] = "A network of this name is on the host."
    return found


def of_edit(network: Network, root: etree._Element, edit: Edit) -> Problems:
    """Of an edit of that definition. Raises virt.errors.Invalid and NotFound for what is not there at all."""
    found = editing.problems(root, edit)
    if found or edit.verb != "set":
        return found
    mode = mode_named(edit.what)
    changed = {name: value for name, value in edit.values.items() if value != mode.field(name).read(root)}
    return Neighbours.of(network.host, network).problems(mode, changed)


def _neighbour(row: Network) -> Neighbour:
    networks = []
    for address in row.addresses:
        try:
            networks.append(ip_network(address["network"]))
        except ValueError:
            continue
    return Neighbour(row.name, row.bridge if row.mode in OWN_BRIDGE or row.mode == "bridge" else "", tuple(networks))
