"""Who uses a volume, as the rows tell it. Machines stand above: they register here what their disks name.

What the rows say may be seconds old; before anything is lost, the worker asks the host itself (virt.usage).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from hosts import access as host_access
from hosts.models import Host
from hosts.storage import access
from hosts.storage.models import Pool, Volume
from virt.xml.pools import SHARED


@dataclass(frozen=True, slots=True)
class Use:
    """A disk of something that stands above: `path` or (`pool`, `volume`) is what it names."""

    host_id: int
    path: str
    pool: str
    volume: str
    kind: str  # "machine", "snapshot"
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Used:
    """Who uses a volume. `kind`: "machine", "snapshot", "volume". `host`: its name where it is not the volume's own; `url` may be ""."""

    kind: str
    name: str
    url: str
    host: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}{f' on {self.host}' if self.host else ''}"


Finder = Callable[[Collection[int]], Iterable[Use]]
_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """`finder(host_ids)` tells what everything on those hosts uses. In AppConfig.ready()."""
    _finders.append(finder)


class Usage:
    """Who uses volumes of some pools: few queries, however many volumes are then asked about.

    `user`: whom it is told; what is on a host that they may not see has no name then, but still counts.
    """

    def __init__(self, pools: Sequence[Pool], user: User | None = None) -> None:
        shared = {(pool.kind, pool.source) for pool in pools if pool.kind in SHARED and pool.source}
        siblings = _siblings(shared) if shared else []
        self._same: defaultdict[tuple[str, str], list[Pool]] = defaultdict(list)
        for sibling in siblings:
            self._same[sibling.kind, sibling.source].append(sibling)
        self._paths: defaultdict[tuple[int, str], list[Used]] = defaultdict(list)
        self._pairs: defaultdict[tuple[int, str, str], list[Used]] = defaultdict(list)
        host_ids = {pool.host_id for pool in [*pools, *siblings]}
        others = (Host.objects.all() if user is None else host_access.visible(user)).filter(pk__in=host_ids)
        self._hosts = dict(others.values_list("pk", "name")) if siblings else {}
        for finder in _finders:
            for use in finder(host_ids):
                used = Used(use.kind, use.name, use.url)
                if use.path:
                    self._paths[use.host_id, use.path].append(used)
                if use.pool:
                    self._pairs[use.host_id, use.pool, use.volume].append(used)

    def of(self, volumes: Sequence[Volume], pool: Pool) -> dict[int, list[Used]]:
        """Row id → who uses it, of volumes of one pool."""
        layers = self._layers(volumes, pool)
        found = {}
        for volume in volumes:
            users = [used for place in self._places(volume, pool) for used in place]
            found[volume.pk] = list(dict.fromkeys([*users, *layers.get(volume.path, ())]))
        return found

    def _places(self, volume: Volume, pool: Pool) -> Iterable[list[Used]]:
        for each in [pool, *(same for same in self._same.get((pool.kind, pool.source), ()) if same.pk != pool.pk)]:
            yield self._named(self._pairs.get((each.host_id, each.name, volume.name), []), each, pool)
            paths = {volume.path, volume.key} if each.pk == pool.pk else {f"{each.path}/{volume.name}", volume.key}
            for path in paths - {""}:
                yield self._named(self._paths.get((each.host_id, path), []), each, pool)

    def _named(self, used: list[Used], where: Pool, pool: Pool) -> list[Used]:
        """With the host's name, where it is another one."""
        if where.host_id == pool.host_id:
            return used
        host = self._hosts.get(where.host_id)
        return [replace(each, host=host) if host else Used(each.kind, str(_("you may not see")), "", str(_("another host"))) for each in used]

    def _layers(self, volumes: Sequence[Volume], pool: Pool) -> dict[str, list[Used]]:
        """Path → volumes that hold the differences to it, those in other pools of hosts that share the store as well."""
        same = [each for each in self._same.get((pool.kind, pool.source), ()) if each.pk != pool.pk]
        where = {(pool.host_id, volume.path): volume.path for volume in volumes if volume.path}
        where |= {(each.host_id, f"{each.path}/{volume.name}"): volume.path for each in same for volume in volumes if volume.path}
        pools = {each.host_id: each for each in [*same, pool]}
        found: defaultdict[str, list[Used]] = defaultdict(list)
        layers = Volume.objects.filter(pool__host_id__in=pools, pool__gone_at=None, backing_path__in={path for _host, path in where})
        for above in layers.exclude(pool__in=same).select_related("pool"):  # what lies in the store itself is listed once
            if below := where.get((above.pool.host_id, above.backing_path)):
                used = Used("volume", above.name, above.get_absolute_url())
                found[below] += self._named([used], pools[above.pool.host_id], pool)
        return found


def of(volume: Volume, user: User | None = None) -> list[Used]:
    """Who uses one volume; `user` as in Usage."""
    return Usage([volume.pool], user).of([volume], volume.pool)[volume.pk]


def elsewhere(pool: Pool, user: User) -> list[Pool]:
    """Pools on other hosts that are the same store, as far as the person may see them; with their hosts."""
    if pool.kind not in SHARED or not pool.source:
        return []
    same = access.visible(user).filter(kind=pool.kind, source=pool.source).exclude(host_id=pool.host_id)
    return list(same.select_related("host").only("pk", "name", "host__name").order_by("host__name", "name")[:50])


def _siblings(shared: Collection[tuple[str, str]]) -> list[Pool]:
    wanted = Q()
    for kind, source in shared:
        wanted |= Q(kind=kind, source=source)
    return list(Pool.objects.filter(wanted, gone_at=None).only("pk", "host_id", "name", "kind", "source", "path"))
