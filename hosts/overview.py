"""What the page of one host shows: the facts of its row, put as a person reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from accounts.models import User
from accounts.roles import Role
from hosts import access, duplicates, endpoints, guests, keys, levels, shown, tabs
from hosts.levels import Level
from hosts.models import Host, Kind, State
from hosts.steps import Progress
from jobs import access as job_access
from jobs.models import ACTIVE, Job
from live.tabs import Shown

_LINES = 8
_BUSIEST = 8
_POOL_KINDS = {"dir": "Directory", "fs": "File system", "netfs": "NFS", "logical": "LVM", "rbd": "Ceph RBD", "iscsi": "iSCSI", "zfs": "ZFS", "disk": "Disk"}
_FORWARDS = {"nat": "NAT", "route": "Routed", "bridge": "Bridge", "isolated": "Isolated", "open": "Open", "private": "Direct", "vepa": "VEPA"}


@dataclass(frozen=True)
class Pool:
    name: str
    kind: str
    active: bool
    autostart: bool
    used: int
    size: int

    @property
    def percent(self) -> float:
        return 100 * self.used / self.size if self.size else 0.0


@dataclass(frozen=True)
class Network:
    name: str
    kind: str
    bridge: str
    active: bool
    autostart: bool


@dataclass(frozen=True)
class Line:
    """An entry of the log: an event, or a job about the host."""

    at: dt.datetime
    words: str
    actor: str
    bad: bool = False
    job: Job | None = None


class Overview:
    """One host as one person may see it."""

    def __init__(self, host: Host, user: User) -> None:
        self.host = host
        self._user = user

    # ── what the person may ──

    @cached_property
    def administers(self) -> bool:
        return access.may_administer(self._user)

    @cached_property
    def manages(self) -> bool:
        return access.may(self._user, self.host, Role.MANAGER)

    @cached_property
    def tabs(self) -> list[Shown]:
        return tabs.PARTS.tabs(self.host, self._role)

    @cached_property
    def deeds(self) -> list[Shown]:
        return tabs.PARTS.deeds(self.host, self._role)

    @property
    def _role(self) -> int:
        return self._user.rights.on_host(self.host.pk)

    # ── state ──

    @property
    def health(self) -> str:
        return shown.health(self.host)

    @property
    def word(self) -> str:
        return shown.word(self.host)

    @property
    def is_new(self) -> bool:
        return self.host.state == State.NEW

    @property
    def is_alarmed(self) -> bool:
        return self.host.state == State.ALARM

    @property
    def was_seen(self) -> bool:
        """There is something to show of it."""
        return bool(self.host.libvirt_version)

    @property
    def transport(self) -> str:
        return endpoints.transport(self.host)

    @property
    def place(self) -> str:
        return endpoints.place(self.host)

    @cached_property
    def same(self) -> list[Host]:
        """Hosts that are this one under another name, those that the person may see."""
        found = duplicates.others(self.host)
        return [other for other in found if access.may(self._user, other, Role.VIEWER)]

    # ── the connection ──

    @cached_property
    def progress(self) -> Progress:
        return Progress.of(self.host)

    @property
    def has_host_key(self) -> bool:
        """Whether a key is pinned, or to be pinned, by which an SSH server is recognised."""
        return endpoints.uses_ssh(self.host.kind, self.host.console_way)

    @property
    def chooses_consoles(self) -> bool:
        return self.host.kind in endpoints.CHOOSE_CONSOLES

    @property
    def console_place(self) -> str:
        """The SSH server that the displays alone are reached through; "" without one."""
        return endpoints.console_place(self.host)

    @property
    def pinned(self) -> str:
        return keys.fingerprint(self.host.host_key)

    @property
    def offered(self) -> str:
        return keys.fingerprint(self.host.host_key_offered)

    @property
    def offered_algorithm(self) -> str:
        return keys.algorithm(self.host.host_key_offered) if self.host.host_key_offered else ""

    @property
    def show_command(self) -> str:
        return keys.show_command(self.host.host_key_offered or self.host.host_key or "ssh-ed25519")

    @cached_property
    def own_key(self) -> bool:
        """Signs in with a private key of its own rather than with the portal's."""
        return self.host.secrets.filter(name="private_key").exists()

    @cached_property
    def authorize_command(self) -> str:
        return keys.authorize_command(keys.portal_key().public)

    @property
    def login(self) -> str:
        """Of the SSH server."""
        return (self.host.console_login if self.console_place else self.host.login) or "root"

    @property
    def can_enable(self) -> bool:
        return not self.host.enabled and (bool(self.host.host_key) or not endpoints.has_host_key(self.host.kind))

    # ── machines ──

    @cached_property
    def tally(self) -> guests.Tally:
        return guests.tally(self._user, self.host.pk)

    @cached_property
    def busiest(self) -> list[guests.Brief]:
        return guests.ask().busiest(self._user, self.host.pk, _BUSIEST)

    @property
    def machines_url(self) -> str:
        return guests.ask().list_url(self.host)

    @property
    def offers_try_it(self) -> bool:
        return self.manages and self.host.is_online and not self.tally.total and self.host.kind != Kind.TEST

    @cached_property
    def trying(self) -> Job | None:
        """The job that makes the first machine."""
        return Job.objects.filter(kind="machines.try_it", subject_type="host", subject_id=self.host.pk, state__in=ACTIVE).first()

    # ── what it has ──

    @cached_property
    def pools(self) -> list[Pool]:
        return [_pool(pool) for pool in self.host.pools]

    @cached_property
    def storage(self) -> Level:
        return levels.of_pools(self.host.pools)

    @cached_property
    def networks(self) -> list[Network]:
        return [_network(network) for network in self.host.networks]

    @property
    def cpu_words(self) -> str:
        """2 × EPYC 9254, 96 threads."""
        host = self.host
        many = f"{host.cpu_sockets} × " if host.cpu_sockets > 1 else ""
        return f"{many}{host.cpu_model or host.arch}"

    # ── log ──

    @cached_property
    def lines(self) -> Sequence[Line]:
        return self.log(_LINES)

    def log(self, most: int) -> list[Line]:
        """Events and jobs, the newest first."""
        events = self.host.events.order_by("-id")[:most]
        jobs = job_access.visible(self._user).filter(subject_type="host", subject_id=self.host.pk).order_by("-id")[:most]
        lines = [Line(event.at, event.words, event.actor, event.kind in _BAD) for event in events]
        lines += [_job_line(job) for job in jobs]
        return sorted(lines, key=lambda line: line.at, reverse=True)[:most]


_BAD = frozenset({"alarm", "lost", "refused", "duplicate"})


def _job_line(job: Job) -> Line:
    failed = job.state in ("failed", "interrupted")
    words = f"{job.title}: {job.error if failed and job.error else job.get_state_display().lower()}"
    return Line(job.finished_at or job.created_at, words, job.asked_by_name, failed, job)


def _pool(pool: dict[str, Any]) -> Pool:
    return Pool(
        name=pool["name"],
        kind=_POOL_KINDS.get(pool["kind"], pool["kind"]),
        active=pool["active"],
        autostart=pool["autostart"],
        used=max(0, pool["capacity_bytes"] - pool["available_bytes"]),
        size=pool["capacity_bytes"],
    )


def _network(network: dict[str, Any]) -> Network:
    return Network(network["name"], _FORWARDS.get(network["forward"], network["forward"]), network["bridge"], network["active"], network["autostart"])
