"""Lists of networks: which, in which order, on which page; the URL says it all."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.roles import Role
from hosts.models import Host
from hosts.networks import access, users
from hosts.networks.models import Lease, Network
from hosts.networks.users import Card
from virt.xml.networks import MODES

SIZE = 50
_LONGEST_SEARCH = 200
_SORTS = {"name": ("name",), "host": ("host__name", "name"), "mode": ("mode", "name")}
_HEAVY = ("xml", "live_xml", "host__capabilities", "host__pools", "host__networks")


def count_of(host: Host) -> int:
    """For the badge of the host's tab."""
    return Network.objects.filter(host=host, gone_at=None).count()


def mode_word(name: str) -> str:
    """What people call a mode, also one that we don't make."""
    return str(_(MODES[name].title)) if name in MODES else {"hostdev": "SR-IOV"}.get(name, name)


@dataclass(frozen=True)
class NetworkRow:
    """A network with who is on it."""

    network: Network
    cards: list[Card] = field(default_factory=list)
    leases: int = 0

    @property
    def mode(self) -> str:
        return mode_word(self.network.mode)

    @property
    def icon(self) -> str:
        return MODES[self.network.mode].icon if self.network.mode in MODES else "cpu"

    @property
    def shape(self) -> str:
        """A state's shape in the sprite (live/templatetags/wv.py)."""
        if self.network.gone_at:
            return "gone"
        if self.network.is_stale:
            return "stale"
        return "running" if self.network.active else "off"

    @property
    def word(self) -> str:
        if self.network.gone_at:
            return str(_("Gone"))
        if self.network.is_stale:
            return str(_("Last seen"))
        return str(_("Running")) if self.network.active else str(_("Off"))

    @property
    def link(self) -> str:
        """By what it hangs together, in one line."""
        network = self.network
        return network.bridge or ", ".join(network.devices)

    @property
    def machines(self) -> int:
        return len(users.machines(self.cards))

    @property
    def running(self) -> list[Card]:
        """A card of each machine that runs."""
        return users.machines(self.cards, active=True)

    @property
    def losers(self) -> list[Card]:
        """Those that lose their link when the network stops: where the bridge is the host's own, none."""
        return self.running if self.network.mode in users.OWN_BRIDGE else []

    @property
    def stopped(self) -> list[Card]:
        running = {card.machine_id for card in self.running}
        return [card for card in users.machines(self.cards, active=False) if card.machine_id not in running]


@dataclass(frozen=True)
class NetworkQuery:
    text: str = ""
    sort: str = "name"
    state: str = ""
    page: int = 1

    @classmethod
    def of(cls, asked: QueryDict) -> NetworkQuery:
        sort, state, page = asked.get("sort", ""), asked.get("state", ""), asked.get("page", "")
        return cls(
            text=asked.get("q", "").strip()[:_LONGEST_SEARCH],
            sort=sort if sort.removeprefix("-") in _SORTS else "name",
            state=state if state in ("running", "off") else "",
            page=max(1, int(page)) if re.fullmatch(r"[0-9]{1,6}", page) else 1,
        )

    def url(self, **changes: Any) -> str:
        changed = replace(self, **{"page": 1, **changes})
        parts = [(name, value) for name, value in (("q", changed.text), ("state", changed.state)) if value]
        parts += [("sort", changed.sort)] if changed.sort != "name" else []
        parts += [("page", str(changed.page))] if changed.page > 1 else []
        return "?" + urlencode(parts)


@dataclass(frozen=True)
class Head:
    name: str
    title: Any
    url: str
    sorted: str


class NetworkPage:
    """Networks of the fleet, or of one host; fifty at a time."""

    def __init__(self, query: NetworkQuery, user: User, host: Host | None = None) -> None:
        self.query, self._user, self.host = query, user, host

    @cached_property
    def everything(self) -> QuerySet[Network]:
        networks = access.visible(self._user)
        return networks.filter(host=self.host) if self.host else networks

    @cached_property
    def total(self) -> int:
        """Of all, whatever is searched for."""
        return self.everything.count()

    @cached_property
    def found(self) -> int:
        return self._chosen.count()

    @cached_property
    def rows(self) -> list[NetworkRow]:
        fields = _SORTS[self.query.sort.removeprefix("-")]
        order = [F(name).desc() if self.query.sort.startswith("-") else F(name).asc() for name in fields]
        chosen = self._chosen.select_related("host").defer(*_HEAVY).order_by(*order, "host__name", "pk")
        networks = list(chosen[(self.page - 1) * SIZE : self.page * SIZE])
        usage, leases = users.Usage(networks), _lease_counts(networks)
        return [NetworkRow(network, usage.of(network), leases[network.host_id, network.uuid]) for network in networks]

    @cached_property
    def manages(self) -> bool:
        """May make networks there, or somewhere."""
        rights = self._user.rights
        if self.host:
            return rights.on_host(self.host.pk) >= Role.MANAGER
        return rights.fleet >= Role.MANAGER or bool(rights.host_ids(Role.MANAGER))

    @property
    def pages(self) -> int:
        return max(1, -(-self.found // SIZE))

    @property
    def page(self) -> int:
        return min(self.query.page, self.pages)

    @property
    def first(self) -> int:
        return (self.page - 1) * SIZE + 1 if self.found else 0

    @property
    def last(self) -> int:
        return min(self.page * SIZE, self.found)

    @property
    def previous_url(self) -> str:
        return self.query.url(page=self.page - 1) if self.page > 1 else ""

    @property
    def next_url(self) -> str:
        return self.query.url(page=self.page + 1) if self.page < self.pages else ""

    @property
    def heads(self) -> list[Head]:
        return [self._head(name, title) for name, title in (("name", _("Network")), *(() if self.host else (("host", _("Host")),)), ("mode", _("Mode")))]

    @cached_property
    def _chosen(self) -> QuerySet[Network]:
        networks = self.everything
        if text := self.query.text:
            wanted = Q(name__icontains=text) | Q(host__name__icontains=text) | Q(bridge__icontains=text) | Q(domain__icontains=text)
            networks = networks.filter(wanted | Q(addresses__icontains=text) | Q(mode__in=_modes_called(text)))
        if self.query.state:
            networks = networks.filter(active=self.query.state == "running")
        return networks

    def _head(self, name: str, title: Any) -> Head:
        now = self.query.sort
        wanted = (name if now.startswith("-") else f"-{name}") if now.removeprefix("-") == name else name
        is_sorted = "" if now.removeprefix("-") != name else "descending" if now.startswith("-") else "ascending"
        return Head(name, title, self.query.url(sort=wanted), is_sorted)


def _modes_called(text: str) -> list[str]:
    return [name for name, mode in MODES.items() if text.lower() in mode.title.lower()]


def _lease_counts(networks: list[Network]) -> Counter[tuple[int, str]]:
    hosts = {network.host_id for network in networks}
    counted = Lease.objects.filter(host_id__in=hosts).order_by().values_list("host_id", "network_uuid").annotate(n=Count("pk"))
    return Counter({(host_id, uuid): n for host_id, uuid, n in counted})
