"""Whose cards are on a network, as the rows tell it. Machines stand above: they register here what their cards name.

What the rows say may be seconds old; before somebody loses a link, the worker asks the host itself (virt.networks.users_of).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from hosts.networks.models import Network


@dataclass(frozen=True, slots=True)
class Card:
    """A card of something that stands above. `source` is what it names: a network, or a bridge of the host (`kind` "bridge").

    active      the machine runs; link_up: its cable is in
    addresses   that the machine has by this card, as far as is known
    """

    host_id: int
    kind: str
    source: str
    portgroup: str
    mac: str
    model: str
    link_up: bool
    active: bool
    machine_id: int
    name: str
    url: str
    state: str
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


Finder = Callable[[Collection[int]], Iterable[Card]]
_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """`finder(host_ids)` tells all cards on those hosts. In AppConfig.ready()."""
    _finders.append(finder)


def cards(host_ids: Collection[int]) -> Iterable[Card]:
    """All cards on those hosts."""
    for finder in _finders if host_ids else ():
        yield from finder(host_ids)


class Usage:
    """Who is on some networks: few queries, however many they are."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._by_network: defaultdict[tuple[int, str], list[Card]] = defaultdict(list)
        self._by_bridge: defaultdict[tuple[int, str], list[Card]] = defaultdict(list)
        for card in cards({network.host_id for network in networks}):
            if card.kind == "network":
                self._by_network[card.host_id, card.source].append(card)
            elif card.kind == "bridge":
                self._by_bridge[card.host_id, card.source].append(card)

    def of(self, network: Network) -> list[Card]:
        """By the network's name, and straight on the bridge that is its own; running ones first."""
        found = list(self._by_network.get((network.host_id, network.name), ()))
        if network.bridge and network.mode in OWN_BRIDGE:
            found += self._by_bridge.get((network.host_id, network.bridge), ())
        return sorted(found, key=lambda card: (not card.active, card.name, card.mac))


# Modes whose bridge goes when the network stops.
OWN_BRIDGE = ("nat", "route", "open", "isolated")


def of(network: Network) -> list[Card]:
    """Who is on one network."""
    return Usage([network]).of(network)


def machines(cards: Iterable[Card], *, active: bool | None = None) -> list[Card]:
    """One card of each machine; with `active` those that run, or those that don't."""
    return list({card.machine_id: card for card in cards if active is None or card.active == active}.values())
