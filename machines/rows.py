"""A row of the machine list: what is shown of a machine in one line, with its newest numbers."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.roles import Role
from hosts.models import State as HostState
from jobs.models import ACTIVE, Job
from live.glances import glance
from live.metrics import Glance
from live.templatetags.wv import ago
from machines.models import ACTIVE_STATES, Machine, State, Tag

_FRESH_SECONDS = 30.0
_NOTHING = Glance(None, [])

# What is said of a machine while a job changes it.
DOING = {
    "machines.start": _("Starting"),
    "machines.shutdown": _("Shutting down"),
    "machines.reboot": _("Rebooting"),
    "machines.reset": _("Resetting"),
    "machines.force_off": _("Forcing off"),
    "machines.pause": _("Pausing"),
    "machines.resume": _("Resuming"),
    "machines.save": _("Saving"),
    "machines.restore": _("Restoring"),
    "machines.migration.move": _("Moving"),
}

_FIELDS = (
    "pk", "uuid", "name", "title", "state", "has_saved_image", "started_at", "vcpus", "memory_bytes", "os_id", "os_name", "autostart",
    "addresses", "cpu_percent", "memory_used_bytes", "disk_bps", "net_bps", "host_id", "host__name", "host__state", "host__last_seen_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """`shown` is the shape of its state and `word` what stands beside it ("" for the state's own word).

    `cpu` is percent of its processors, `disk` and `net` bytes a second, sizes bytes; None where nothing is known.
    """

    pk: int
    uuid: str
    name: str
    title: str
    state: str
    shown: str
    word: Any
    stale: bool
    seen_at: dt.datetime | None
    host_id: int
    host_name: str
    sees_host: bool
    acts: bool
    types: bool
    points: Sequence[float]
    cpu: float | None
    memory_used: float | None
    memory_total: float
    disk: float | None
    net: float | None
    ip: str
    more_ips: int
    os: str
    os_icon: str
    started_at: dt.datetime | None
    vcpus: int
    autostart: bool
    tags: Sequence[str] = ()


def rows_of(machines: QuerySet[Machine], user: User) -> list[Row]:
    """Four round trips, however many rows: the machines, their running jobs, their tags, their numbers."""
    found = [dict(zip(_FIELDS, values, strict=True)) for values in machines.values_list(*_FIELDS)]
    ids = [machine["pk"] for machine in found]
    doing, tags, numbers = _doing(ids), _tags(ids), glance("machine", ids)
    return [_row(machine, doing.get(machine["pk"], ""), numbers.get(machine["pk"], _NOTHING), user, tags.get(machine["pk"], ())) for machine in found]


def os_icon(os_id: str, os_name: str) -> str:
    """The icon of an operating system by libosinfo's id or the guest's own name."""
    text = f"{os_id} {os_name}".lower()
    for word, icon in _OS_ICONS:
        if word in text:
            return icon
    return ""


_OS_ICONS = (
    ("ubuntu", "brand-ubuntu"),
    ("debian", "brand-debian"),
    ("win", "brand-windows"),
)


def first_address(addresses: Sequence[Mapping[str, Any]]) -> tuple[str, int]:
    """The address to show, and how many more there are; IPv4 first: it is what people type."""
    ips = [str(address.get("ip", "")) for address in addresses]
    first = next((ip for ip in ips if ":" not in ip), ips[0] if ips else "")
    return first, max(0, len(ips) - 1)


def shown_state(state: str, *, stale: bool, seen_at: dt.datetime | None, saved: bool, doing: str) -> tuple[str, Any]:
    """Shape and word: what a silent host last showed is not claimed to be so now; a running job goes before the state."""
    if stale:
        return "stale", format_html(gettext("Seen {}"), ago(seen_at)) if seen_at else gettext("Never seen")
    if doing in DOING:
        return "moving", DOING[doing]
    if state == State.OFF and saved:
        return "saved", ""
    return state, ""


def _row(machine: dict[str, Any], doing: str, seen: Glance, user: User, tags: Sequence[str]) -> Row:
    stale = machine["host__state"] != HostState.ONLINE
    active = machine["state"] in ACTIVE_STATES
    shown, word = shown_state(machine["state"], stale=stale, seen_at=machine["host__last_seen_at"], saved=machine["has_saved_image"], doing=doing)
    ip, more_ips = first_address(machine["addresses"])
    role = user.rights.on_machine(machine["pk"], machine["host_id"])
    return Row(
        pk=machine["pk"],
        uuid=machine["uuid"],
        name=machine["name"],
        title=machine["title"],
        state=machine["state"],
        shown=shown,
        word=word,
        stale=stale,
        seen_at=machine["host__last_seen_at"],
        host_id=machine["host_id"],
        host_name=machine["host__name"],
        sees_host=user.rights.on_host(machine["host_id"]) >= Role.VIEWER,
        acts=role >= Role.OPERATOR,
        types=role >= Role.CONSOLE,
        ip=ip,
        more_ips=more_ips,
        os=short_os(machine["os_name"]) or os_words(machine["os_id"]),
        os_icon=os_icon(machine["os_id"], machine["os_name"]),
        started_at=machine["started_at"] if active and not stale else None,
        vcpus=machine["vcpus"],
        autostart=machine["autostart"],
        memory_total=machine["memory_bytes"],
        tags=tags,
        **_numbers(machine, seen, active=active, stale=stale),
    )


def _numbers(machine: dict[str, Any], seen: Glance, *, active: bool, stale: bool) -> dict[str, Any]:
    """The newest sample where it is fresh, else the last minute's average; nothing for a machine that is off."""
    if not active:
        return {"points": (), "cpu": None, "memory_used": None, "disk": None, "net": None}
    if seen.newest and time.time() - (seen.newest[0] or 0) / 1000 < _FRESH_SECONDS:
        _at, cpu, used, _total, read, write, received, sent = seen.newest
        return {"points": seen.points, "cpu": cpu, "memory_used": used, "disk": _sum(read, write), "net": _sum(received, sent)}
    return {
        "points": seen.points,
        "cpu": machine["cpu_percent"],
        "memory_used": machine["memory_used_bytes"],
        "disk": None if stale else machine["disk_bps"],
        "net": None if stale else machine["net_bps"],
    }


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def os_words(os_id: str) -> str:
    """ "http://debian.org/debian/12" → "Debian 12"."""
    return " ".join(os_id.rstrip("/").rsplit("/", 2)[-2:]).capitalize() if os_id else ""


def short_os(name: str) -> str:
    """ "Debian GNU/Linux 12 (bookworm)" → "Debian 12": what tells systems apart in a narrow column."""
    return _OS_PATCH.sub(r"\1", _OS_NOISE.sub("", name)).strip()


_OS_PATCH = re.compile(r"(\b\d+[.]\d+)[.]\d+")
_OS_NOISE = re.compile(r" GNU/Linux| Linux(?= \d)|Microsoft |\(R\)| LTS\b| \([^)]*\)| (Standard|Datacenter|Enterprise)( Evaluation)?$")


def _tags(ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for machine_id, text in Tag.objects.filter(machine_id__in=ids).order_by("text").values_list("machine_id", "text"):
        found.setdefault(machine_id, []).append(text)
    return found


def _doing(ids: Sequence[int]) -> dict[int, str]:
    """The kind of the changing job of each machine that has one."""
    jobs = Job.objects.filter(subject_type="machine", subject_id__in=ids, changing=True, state__in=ACTIVE)
    return dict(jobs.values_list("subject_id", "kind"))
