"""Finding whatever a text can name: machines, hosts, jobs, and what can be done, as far as one person may."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, QuerySet, Value, When
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.roles import Role
from hosts import access as host_access
from hosts import shown
from hosts.models import State as HostState
from jobs import access as job_access
from machines import access as machine_access
from machines import filters, power
from machines.models import Machine
from machines.power import VERBS, Verb
from machines.rows import first_address

LONGEST = 120
_MOST_MACHINES, _MOST_HOSTS, _MOST_JOBS, _MOST_ACTIONS = 8, 5, 4, 6

# Other words for verbs. Longer ones first: "force off web-1" is no search for "off web-1".
_WORDS = {
    "start": "start", "boot": "start", "power on": "start", "shut down": "shutdown", "shutdown": "shutdown", "stop": "shutdown", "power off": "shutdown",
    "reboot": "reboot", "restart": "reboot", "reset": "reset", "force off": "force-off", "force-off": "force-off", "kill": "force-off", "pause": "pause",
    "resume": "resume", "continue": "resume", "save": "save", "restore": "restore", "send nmi": "nmi", "nmi": "nmi",
}  # fmt: skip
_VERB = re.compile(f"({'|'.join(sorted(_WORDS, key=len, reverse=True))})\\s+(\\S.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Item:
    url: str
    title: str
    note: str = ""
    icon: str = ""
    state: str = ""


@dataclass(frozen=True)
class Group:
    title: Any
    items: list[Item]


def find(user: User, text: str) -> list[Group]:
    """What matches, the likeliest kind first; without a text, where one can go."""
    if not text:
        return [Group(_("Go to"), list(_places(user, "")))]
    verb, name = _verb_in(text)
    groups = [
        Group(_("Actions"), _deeds(user, verb, name) if verb else []),
        Group(_("Machines"), _machines(user, text)),
        Group(_("Hosts"), _hosts(user, text)),
        Group(_("Jobs"), _jobs(user, text)),
        Group(_("Go to"), list(_places(user, text))),
    ]
    return [group for group in groups if group.items]


def _verb_in(text: str) -> tuple[Verb | None, str]:
    """ "start web-01" → (start, "web-01")."""
    match = _VERB.fullmatch(text)
    return (VERBS[_WORDS[match[1].lower()]], match[2]) if match else (None, "")


def _deeds(user: User, verb: Verb, name: str) -> list[Item]:
    """The verb on the machines so called that the person operates; those that it can be done to come first."""
    can = Case(When(state__in=verb.allowed, host__state=HostState.ONLINE, then=Value(0)), default=Value(1))
    return [
        Item(
            f"{reverse('machines:power', args=[row['pk']])}?action={verb.name}",
            f"{verb.title} {row['name']}",
            _why_not(verb, row) or row["host__name"],
            icon=verb.icon,
        )
        for row in _ranked(machine_access.visible(user, Role.OPERATOR), name, _MOST_ACTIONS, can)
    ]


def _why_not(verb: Verb, row: dict[str, Any]) -> str:
    if row["host__state"] != HostState.ONLINE:
        return _("%(host)s does not answer.") % {"host": row["host__name"]}
    return power.refusal(verb, state=row["state"], has_saved_image=row["has_saved_image"], persistent=row["persistent"])


def _machines(user: User, text: str) -> list[Item]:
    return [
        Item(
            reverse("machines:machine", args=[row["pk"]]),
            row["name"],
            " · ".join(filter(None, (row["host__name"], first_address(row["addresses"])[0]))),
            state=row["state"] if row["host__state"] == HostState.ONLINE else "stale",
        )
        for row in _ranked(machine_access.visible(user), text, _MOST_MACHINES)
    ]


def _ranked(machines: QuerySet[Machine], text: str, most: int, *before: Case) -> Iterable[dict[str, Any]]:
    """Machines found by the list's own search language: the very name first, then names that begin so; `before` goes before."""
    rank = Case(When(name__iexact=text, then=Value(0)), When(name__istartswith=text, then=Value(1)), default=Value(2))
    found: Any = machines.filter(filters.condition_of(filters.parse(text))).order_by(*before, rank, "name", "pk")
    rows: Iterable[dict[str, Any]] = found.values("pk", "name", "state", "addresses", "has_saved_image", "persistent", "host__name", "host__state")[:most]
    return rows


def _hosts(user: User, text: str) -> list[Item]:
    found = host_access.visible(user).filter(name__icontains=text) | host_access.visible(user).filter(address__icontains=text)
    hosts = found.only("name", "state", "address", "maintenance_since").order_by("name")[:_MOST_HOSTS]
    return [Item(host.get_absolute_url(), host.name, host.address, state=shown.health(host)) for host in hosts]


def _jobs(user: User, text: str) -> list[Item]:
    """By the number of a job, or the newest about something so called."""
    jobs = job_access.visible(user)
    number = text.removeprefix("#")
    by_number = number.isascii() and number.isdigit() and len(number) < 16
    jobs = jobs.filter(pk=int(number)) if by_number else jobs.filter(subject_name__icontains=text)
    return [
        Item(job.get_absolute_url(), f"{job.title} {job.subject_name}", f"#{job.pk} · {job.get_state_display()}", icon=job.icon)
        for job in jobs.only("kind", "subject_name", "state").order_by("-id")[:_MOST_JOBS]
    ]


_PLACES = (
    (gettext_lazy("Dashboard"), "webvirt:dashboard", "layout-dashboard", False),
    (gettext_lazy("Machines"), "machines:list", "device-desktop", False),
    (gettext_lazy("Hosts"), "hosts:list", "server", False),
    (gettext_lazy("Jobs"), "jobs:list", "list", False),
    (gettext_lazy("Add host"), "hosts:add", "plus", True),
    (gettext_lazy("People"), "people:list", "users", True),
)


def _places(user: User, text: str) -> Iterable[Item]:
    for title, name, icon, for_administrators in _PLACES:
        if text.lower() in str(title).lower() and (not for_administrators or host_access.may_administer(user)):
            yield Item(reverse(name), str(title), icon=icon)
