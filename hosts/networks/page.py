"""What the page of one network shows: its row, its definition's parts, leases and the cards that are on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Any

from django.utils.translation import gettext as _
from lxml import etree

from accounts.models import User
from accounts.roles import Role
from hosts.networks import access, actions, users
from hosts.networks.listing import NetworkRow
from hosts.networks.models import Lease, Network
from hosts.networks.users import Card
from jobs import submit as jobs
from jobs.models import Job
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.edit import network as editing
from virt.xml.networks import MODES, PARTS, Part
from virt.xml.networks.parts import fixed_in

MOST = 500  # leases and cards that are shown at once


@dataclass(frozen=True)
class LeaseRow:
    """`card` has the lease; `fixed`: the network gives it this very address always."""

    lease: Lease
    card: Card | None
    fixed: bool


@dataclass(frozen=True)
class PartRow:
    place: int
    name: str
    values: list[tuple[str, str]]  # (title, value), but for the name


@dataclass(frozen=True)
class PartPanel:
    """One kind of what the network has several of."""

    part: Part
    rows: list[PartRow]

    @property
    def title(self) -> str:
        return _(self.part.many)

    @property
    def one(self) -> str:
        return _(self.part.title)

    @property
    def is_shown(self) -> bool:
        """Where there is nothing, the menu that adds one is enough; but for fixed addresses, which belong to the leases above."""
        return bool(self.rows) or self.part.name == "fixed"

    @property
    def heads(self) -> list[str]:
        """Titles of the columns that any row fills."""
        titles: dict[str, None] = {}
        for row in self.rows:
            titles |= {title: None for title, _value in row.values}
        return list(titles)

    @property
    def lines(self) -> list[tuple[PartRow, list[tuple[str, str]]]]:
        """Each row with a cell, as (title, value), for each of the heads."""
        return [(row, [(title, dict(row.values).get(title, "")) for title in self.heads]) for row in self.rows]


class Page:
    """One network as one person may see it."""

    def __init__(self, network: Network, user: User) -> None:
        self.network, self._user = network, user

    @cached_property
    def row(self) -> NetworkRow:
        return NetworkRow(self.network, self.cards, len(self.leases))

    @cached_property
    def manages(self) -> bool:
        return access.may(self._user, self.network, Role.MANAGER)

    @cached_property
    def operates(self) -> bool:
        return access.may(self._user, self.network, Role.OPERATOR)

    @cached_property
    def job(self) -> Job | None:
        return jobs.active_for("network", self.network.pk)

    def why_not(self, deed: str) -> str:
        return actions.refusal(self.network, deed)

    @property
    def why_not_change(self) -> str:
        return self.why_not("change") if self.network.mode in MODES else _("WebVirt does not change networks of this mode.")

    # ── definition ──

    @cached_property
    def root(self) -> etree._Element | None:
        try:
            return tree.parse(self.network.xml, "network")
        except Invalid:
            return None

    @cached_property
    def pending(self) -> list[str]:
        """What waits for the next start."""
        if not self.network.live_xml or self.root is None:
            return []
        return [_(words) for words in editing.pending(tree.parse(self.network.live_xml, "network"), self.root)]

    @cached_property
    def facts(self) -> list[tuple[str, str]]:
        """(title, value) of fields that say something and stand nowhere else on the page."""
        if self.root is None or self.network.mode not in MODES:
            return []
        mode = MODES[self.network.mode]
        shown = [each for each in mode.fields if not each.name.startswith(("address", "ranges"))]
        values = [(each, each.read(self.root)) for each in shown]
        return [(_(each.title), _("yes") if each.type == "flag" else value.replace("\n", ", ")) for each, value in values if value]

    @cached_property
    def panels(self) -> list[PartPanel]:
        if self.root is None or self.network.mode not in MODES:
            return []
        return [_panel(PARTS[name], self.root) for name in MODES[self.network.mode].parts if name != "fixed" or self.network.addresses]

    # ── who is there ──

    @cached_property
    def cards(self) -> list[Card]:
        return users.of(self.network)

    @cached_property
    def leases(self) -> list[Lease]:
        return list(Lease.objects.filter(host_id=self.network.host_id, network_uuid=self.network.uuid))

    @cached_property
    def lease_rows(self) -> list[LeaseRow]:
        """In the order of addresses."""
        by_mac = {card.mac: card for card in self.cards}
        fixed = {each.ip for each in fixed_in(self.root)} if self.root is not None else set()
        rows = [LeaseRow(lease, by_mac.get(lease.mac), lease.ip in fixed) for lease in sorted(self.leases, key=lambda lease: _order(lease.ip))]
        return rows[:MOST]

    @property
    def shown_cards(self) -> list[Card]:
        return self.cards[:MOST]


def _panel(part: Part, root: etree._Element) -> PartPanel:
    return PartPanel(part, [_part_row(part, place, node) for place, node in enumerate(part.nodes(root))])


def _part_row(part: Part, place: int, node: etree._Element) -> PartRow:
    values = [(each, each.read(node)) for each in part.fields]
    texts = [(_(each.title), _("yes") if each.type == "flag" else value) for each, value in values if value]
    return PartRow(place, part.name_of(node), texts)


def _order(ip: str) -> Any:
    try:
        address = ip_address(ip)
    except ValueError:
        return 9, 0
    return address.version, int(address)
