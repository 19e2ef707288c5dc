"""The hosts on which a person may make machines, as rows tell of them: for placement, and for the choices of the form."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Sum

from accounts.models import User
from accounts.roles import Role
from hosts import access
from hosts.models import Host
from hosts.storage.models import Pool, Volume
from hosts.storage.transfers.models import still_coming
from machines.creation.order import FROM_VOLUME
from machines.creation.placement import Candidate
from machines.models import ACTIVE_STATES, Machine

_MOST_SOURCES = 500
_PART = re.compile(r"-([sf]\d{3}|flat|delta|\d{6})\.vmdk$")  # of a VMDK in several files, which is chosen by the one that names them
_IMAGES = ("qcow2", "vmdk", "vdi", "vpc", "raw", "iso", "")


@dataclass(frozen=True, slots=True)
class PoolChoice:
    """`hosts`: on how many of the hosts there is one of that name."""

    name: str
    free_bytes: int
    hosts: int


@dataclass(frozen=True, slots=True)
class SourceChoice:
    pool: str
    name: str
    format: str
    bytes: int
    hosts: int

    @property
    def value(self) -> str:
        return f"{self.pool}/{self.name}"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the form offers: names that occur on the hosts in question."""

    hosts: list[Host] = field(default_factory=list)
    pools: list[PoolChoice] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    sources: list[SourceChoice] = field(default_factory=list)


def hosts_for(user: User, host_id: int | None = None) -> list[Host]:
    found = access.visible(user, Role.MANAGER).order_by("name")
    return list(found.filter(pk=host_id) if host_id else found)


def candidates(hosts: Sequence[Host], source: str = "", pool: str = "", volume: str = "") -> list[Candidate]:
    """`source` from a volume: which of them have it."""
    ids = [host.pk for host in hosts]
    with_source = None
    if source in FROM_VOLUME and volume:
        with_source = set(
            Volume.objects.filter(~still_coming(), pool__host_id__in=ids, pool__name=pool, pool__gone_at=None, name=volume).values_list(
                "pool__host_id", flat=True
            )
        )
    pools: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for host_id, name, free in Pool.objects.filter(host_id__in=ids, gone_at=None, state="running").values_list("host_id", "name", "available_bytes"):
        pools[host_id][name] = free
    running = Machine.objects.filter(host_id__in=ids, gone_at=None, state__in=ACTIVE_STATES).order_by().values_list("host_id")
    taken = {host_id: (memory or 0, vcpus or 0) for host_id, memory, vcpus in running.annotate(Sum("memory_bytes"), Sum("vcpus"))}
    return [_candidate(host, pools[host.pk], taken.get(host.pk, (0, 0)), with_source is None or host.pk in with_source) for host in hosts]


def _candidate(host: Host, pools: dict[str, int], taken: tuple[int, int], has_source: bool) -> Candidate:
    return Candidate(
        id=host.pk,
        name=host.name,
        online=host.is_online,
        memory_bytes=host.memory_bytes,
        used_bytes=host.memory_used_bytes or 0,
        allocated_bytes=taken[0],
        cpus=host.cpus,
        vcpus=taken[1],
        kvm=host.kvm,
        pools=pools,
        networks=frozenset(active_networks(host)),
        has_source=has_source,
        in_maintenance=host.in_maintenance,
        real=host.driver != "test",
    )


def active_networks(host: Host) -> list[str]:
    return [str(network["name"]) for network in host.networks if network.get("active")]


def choices(hosts: Sequence[Host], every_host: Sequence[Host], source: str) -> Choices:
    """For a form about `hosts`: one that was chosen, or all."""
    ids = [host.pk for host in hosts]
    rows = Pool.objects.filter(host_id__in=ids, gone_at=None, state="running").order_by().values_list("name").annotate(Count("pk"), Sum("available_bytes"))
    pools = sorted((PoolChoice(name, free or 0, count) for name, count, free in rows), key=lambda pool: (-pool.hosts, pool.name))
    networks = sorted({name for host in hosts for name in active_networks(host)}, key=lambda name: (name != "default", name))
    return Choices(list(every_host), pools, networks, _sources(ids, source) if source in FROM_VOLUME else [])


def _sources(host_ids: Sequence[int], source: str) -> list[SourceChoice]:
    """Volumes that such a machine could start from, by their names and what libvirt took them for; the worker looks into the one that is chosen."""
    found = Volume.objects.filter(~still_coming(), pool__host_id__in=host_ids, pool__gone_at=None)
    grouped = found.order_by("pool__name", "name").values_list("pool__name", "name", "format", "capacity_bytes").annotate(Count("pk"))
    rows = [SourceChoice(pool, name, format, size, hosts) for pool, name, format, size, hosts in grouped[: _MOST_SOURCES * 4]]
    return [row for row in rows if _suits(row, source)][:_MOST_SOURCES]


def _suits(row: SourceChoice, source: str) -> bool:
    name = row.name.lower()
    if source == "iso":
        return name.endswith(".iso") or row.format == "iso"
    if source == "ova":
        return name.endswith((".ova", ".tar"))
    if name.endswith(".ova") or "-seed.iso" in name or _PART.search(name):
        return False
    if source == "volume":
        return row.format in ("qcow2", "raw", "")
    return row.format in _IMAGES
