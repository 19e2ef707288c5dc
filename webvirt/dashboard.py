"""The fleet at a glance, as far as one person may see it; a handful of queries, however large it is."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count, F, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from hosts import access as host_access
from hosts import shown
from hosts.models import Host
from hosts.models import State as HostState
from jobs import access as job_access
from jobs.models import ACTIVE, Job
from jobs.models import State as JobState
from live.glances import glance
from live.templatetags.wv import bytes_plain, count
from machines import access as machine_access
from machines.first import First
from machines.models import ACTIVE_STATES, State

_TOP = 6
_RECENT_JOBS = 7
_HIGH_MEMORY_PERCENT = 92.0
_FULL_POOL_PERCENT = 90.0
_MOST_ALERTS = 8
_NAMED_CRASHES = 3
_FEW_HOSTS = 24
_HOST_FIELDS = ("name", "state", "state_since", "last_seen_at", "error", "cpus", "memory_bytes", "cpu_percent", "memory_used_bytes", "pools",
                "maintenance_since")  # fmt: skip


@dataclass(frozen=True)
class Capacity:
    """A bar: shares of its full width, 0–100. `physical` is None where nothing is allocated beyond it."""

    title: str
    words: str
    note: str
    used: float
    allocated: float
    physical: float | None

    @property
    def level(self) -> str:
        full = self.physical or 100.0
        return "err" if self.used >= 0.97 * full else "warn" if self.used >= 0.85 * full else ""


@dataclass(frozen=True)
class HostCell:
    """`label` is what tells it from its neighbours: the name without what all share."""

    host: Host
    health: str
    label: str
    memory_percent: float


@dataclass(frozen=True)
class Alert:
    shape: str
    title: str
    url: str
    words: str
    since: dt.datetime | None = None


@dataclass(frozen=True)
class Top:
    """A line of a top list; `value` percent or bytes a second."""

    pk: int
    name: str
    host: str
    value: float
    points: list[int] = field(default_factory=list)


class Dashboard:
    """Each part asks the database when the template comes to it, so that a piece costs only its own queries."""

    def __init__(self, user: User) -> None:
        self._user = user

    # ── what there is ──

    @cached_property
    def hosts(self) -> list[Host]:
        return list(host_access.visible(self._user).only(*_HOST_FIELDS).order_by("name"))

    @cached_property
    def _groups(self) -> list[tuple[int, str, int, int, int]]:
        """(host, state, machines, vCPUs, bytes of memory): one pass over one index."""
        machines = machine_access.visible(self._user).order_by().values_list("host_id", "state")
        return list(machines.annotate(Count("pk"), Sum("vcpus"), Sum("memory_bytes")))

    @cached_property
    def states(self) -> Counter[str]:
        """Machines by state; those of silent hosts are "stale"."""
        counts: Counter[str] = Counter()
        for host_id, state, number, _vcpus, _memory in self._groups:
            counts["stale" if host_id in self._silent_ids else state] += number
        return counts

    @cached_property
    def machines(self) -> int:
        return self.states.total()

    @cached_property
    def _silent_ids(self) -> set[int]:
        """Also hosts that the person does not see as such, but has machines on."""
        ids = {group[0] for group in self._groups}
        return set(Host.objects.filter(pk__in=ids).exclude(state=HostState.ONLINE).values_list("pk", flat=True))

    @cached_property
    def answering(self) -> int:
        return sum(host.is_online for host in self.hosts)

    @property
    def silent(self) -> list[Host]:
        """Hosts that do not answer though they should."""
        return [host for host in self.hosts if not host.is_online and host.state != HostState.DISABLED]

    @cached_property
    def first(self) -> First:
        return First.of(self._user)

    # ── capacity ──

    @property
    def capacity(self) -> list[Capacity]:
        return [bar for bar in (self._cpu(), self._memory(), self._storage()) if bar]

    @cached_property
    def _given(self) -> tuple[int, int]:
        """vCPUs and bytes given to machines that are on, on hosts that the person sees."""
        seen = {host.pk for host in self.hosts}
        on = [group for group in self._groups if group[1] in ACTIVE_STATES and group[0] in seen]
        return sum(group[3] or 0 for group in on), sum(group[4] or 0 for group in on)

    def _cpu(self) -> Capacity | None:
        threads = sum(host.cpus for host in self.hosts)
        if not threads:
            return None
        busy = sum(host.cpus * (host.cpu_percent or 0) / 100 for host in self.hosts)
        vcpus = self._given[0]
        return _bar(
            _("CPU"), busy, vcpus, threads,
            words=_("%(busy)s of %(all)s threads busy") % {"busy": count(round(busy)), "all": count(threads)},
            note=_("%(n)s vCPU allocated, %(ratio).2f for each thread") % {"n": count(vcpus), "ratio": vcpus / threads},
        )  # fmt: skip

    def _memory(self) -> Capacity | None:
        physical = sum(host.memory_bytes for host in self.hosts)
        if not physical:
            return None
        used, given = sum(host.memory_used_bytes or 0 for host in self.hosts), self._given[1]
        left = physical - given
        note = _("%(n)s allocated, %(left)s left to give") if left >= 0 else _("%(n)s allocated, %(left)s more than there is")
        return _bar(
            _("Memory"), used, given, physical,
            words=_("%(used)s of %(all)s used") % {"used": bytes_plain(used), "all": bytes_plain(physical)},
            note=note % {"n": bytes_plain(given), "left": bytes_plain(abs(left))},
        )  # fmt: skip

    def _storage(self) -> Capacity | None:
        """Active pools, as libvirt last looked at them; one that several hosts share is counted once (by its uuid)."""
        pools = {pool["uuid"]: pool for host in self.hosts for pool in host.pools if pool.get("active") and pool.get("capacity_bytes")}
        size = sum(pool["capacity_bytes"] for pool in pools.values())
        if not size:
            return None
        free = sum(pool["available_bytes"] for pool in pools.values())
        used = max(0, size - free)
        return _bar(
            _("Storage"), used, 0, size,
            words=_("%(used)s of %(all)s used") % {"used": bytes_plain(used), "all": bytes_plain(size)},
            note=ngettext("%(free)s free in %(n)s pool", "%(free)s free in %(n)s pools", len(pools)) % {"free": bytes_plain(free), "n": count(len(pools))},
        )  # fmt: skip

    # ── hosts ──

    @property
    def cells(self) -> list[HostCell]:
        names = [host.name for host in self.hosts]
        shared = len(_shared_beginning(names)) if self.has_many_hosts else 0
        return [HostCell(host, _health(host), host.name[shared:], host.memory_percent or 0) for host in self.hosts]

    @property
    def has_many_hosts(self) -> bool:
        return len(self.hosts) > _FEW_HOSTS

    @property
    def healthy(self) -> int:
        return sum(_health(host) == "ok" for host in self.hosts)

    # ── alerts ──

    @cached_property
    def alerts(self) -> list[Alert]:
        return [*self._host_alerts(), *self._crashed(), *self._full()]

    @property
    def shown_alerts(self) -> list[Alert]:
        return self.alerts[:_MOST_ALERTS]

    def _host_alerts(self) -> Iterator[Alert]:
        counts: Counter[int] = Counter()
        for host_id, _state, number, _vcpus, _memory in self._groups:
            counts[host_id] += number
        for host in self.silent:
            number = counts[host.pk]
            seen = ngettext("%(n)s machine is shown as last seen.", "%(n)s machines are shown as last seen.", number) % {"n": count(number)}
            words = f"{host.error} {seen if number else ''}".strip()
            yield Alert(_health(host), f"{host.name}: {shown.word(host)}", host.get_absolute_url(), words, host.state_since)

    def _crashed(self) -> Iterator[Alert]:
        """A few by name, many as a number."""
        number = self.states["crashed"]
        if number > _NAMED_CRASHES:
            title = ngettext("%(n)s machine crashed", "%(n)s machines crashed", number) % {"n": count(number)}
            yield Alert("crashed", title, f"{reverse('machines:list')}?f=state:crashed", "")
        elif number:
            machines = machine_access.visible(self._user).filter(state=State.CRASHED, host__state=HostState.ONLINE)
            for pk, name, host, since in machines.order_by("-state_since").values_list("pk", "name", "host__name", "state_since"):
                title, words = _("%(name)s crashed") % {"name": name}, _("on %(host)s") % {"host": host}
                yield Alert("crashed", title, reverse("machines:machine", args=[pk]), words, since)

    def _full(self) -> Iterator[Alert]:
        for host in self.hosts:
            if host.is_online and (host.memory_percent or 0) >= _HIGH_MEMORY_PERCENT:
                title = _("%(host)s: memory at %(n)d %%") % {"host": host.name, "n": host.memory_percent}
                words = _("%(used)s of %(all)s used") % {"used": bytes_plain(host.memory_used_bytes), "all": bytes_plain(host.memory_bytes)}
                yield Alert("warn", title, host.get_absolute_url(), words)
            for pool in host.pools if host.is_online else []:
                size = pool.get("capacity_bytes") or 0
                full = 100 - 100 * pool.get("available_bytes", 0) / size if size and pool.get("active") else 0.0
                if full >= _FULL_POOL_PERCENT:
                    title = _("%(host)s: pool %(pool)s at %(n)d %%") % {"host": host.name, "pool": pool["name"], "n": full}
                    words = _("%(free)s free") % {"free": bytes_plain(pool["available_bytes"])}
                    yield Alert("warn", title, host.get_absolute_url(), words)

    # ── jobs ──

    @cached_property
    def jobs(self) -> list[Job]:
        """Those that run, then the newest of the others."""
        mine = job_access.visible(self._user)
        active = list(mine.filter(state__in=ACTIVE).order_by("-id")[:_RECENT_JOBS])
        shown = [job.pk for job in active]  # one of them may have ended between the two queries
        return active + list(mine.exclude(state__in=ACTIVE).exclude(pk__in=shown).order_by("-id")[: _RECENT_JOBS - len(active)])

    @cached_property
    def jobs_running(self) -> int:
        return job_access.visible(self._user).filter(state__in=ACTIVE).count()

    @cached_property
    def jobs_failed(self) -> int:
        """In the last hour."""
        since = timezone.now() - timedelta(hours=1)
        return job_access.visible(self._user).filter(state__in=(JobState.FAILED, JobState.INTERRUPTED), finished_at__gte=since).count()

    # ── who uses most ──

    @cached_property
    def top_cpu(self) -> list[Top]:
        return self._top("cpu_percent")

    @cached_property
    def top_net(self) -> list[Top]:
        return self._top("net_bps")

    def _top(self, column: str) -> list[Top]:
        on: Any = machine_access.visible(self._user).filter(state=State.RUNNING, host__state=HostState.ONLINE, **{f"{column}__gt": 0})
        rows = list(on.order_by(F(column).desc(), "pk").values_list("pk", "name", "host__name", column)[:_TOP])
        seen = glance("machine", [row[0] for row in rows]) if column == "cpu_percent" else {}
        return [Top(pk, name, host, value, seen[pk].points if pk in seen else []) for pk, name, host, value in rows]


def _bar(title: str, used: float, allocated: float, physical: float, *, words: str, note: str) -> Capacity:
    """The bar ends where the largest of the three does; beyond the physical it gets a tick."""
    whole = max(used, allocated, physical)
    over = physical if whole > physical else None
    return Capacity(title, words, note, 100 * used / whole, 100 * allocated / whole, 100 * over / whole if over else None)


def _health(host: Host) -> str:
    health = shown.health(host)
    return "warn" if health == "ok" and (host.memory_percent or 0) >= _HIGH_MEMORY_PERCENT else health


def _shared_beginning(names: list[str]) -> str:
    """What all names begin with, up to a sign that parts words: "kvm-" of kvm-01, kvm-02."""
    first, last = min(names), max(names)  # what these two share, all share
    length = next((index for index, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), min(len(first), len(last)))
    end = max(first[:length].rfind(sign) for sign in "-._ ")
    return first[: end + 1]
