"""Who uses a volume, as the rows tell it. Machines stand above: they register here what their disks name.

What the rows say may be seconds old; before anything is lost, the worker asks the host itself (virt.usage).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from hosts.storage.models import Pool, Volume

# Kinds whose source is the same store for every host that names it.
_SHARED = ("netfs", "rbd", "iscsi", "iscsi-direct", "gluster", "sheepdog", "scsi")


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
    """Who uses a volume. `kind`: "machine", "snapshot", "volume"."""

    kind: str
    name: str
    url: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Finder = Callable[[Collection[int]], Iterable[Use]]
_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """`finder(host_ids)` tells what everything on those hosts uses. In AppConfig.ready()."""
    _finders.append(finder)


class Usage:
    """Who uses volumes of some pools: few queries, however many volumes are then asked about."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        shared = {(pool.kind, pool.source) for pool in pools if pool.kind in _SHARED and pool.source}
        siblings = _siblings(shared) if shared else []
        self._same: defaultdict[tuple[str, str], list[Pool]] = defaultdict(list)
        for sibling in siblings:
            self._same[sibling.kind, sibling.source].append(sibling)
        self._paths: defaultdict[tuple[int, str], list[Used]] = defaultdict(list)
        self._pairs: defaultdict[tuple[int, str, str], list[Used]] = defaultdict(list)
        host_ids = {pool.host_id for pool in [*pools, *siblings]}
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
            yield self._pairs.get((each.host_id, each.name, volume.name), [])
            paths = {volume.path, volume.key} if each.pk == pool.pk else {f"{each.path}/{volume.name}", volume.key}
            for path in paths - {""}:
                yield self._paths.get((each.host_id, path), [])

    @staticmethod
    def _layers(volumes: Sequence[Volume], pool: Pool) -> dict[str, list[Used]]:
        """Path → volumes that hold the differences to it."""
        paths = [volume.path for volume in volumes if volume.path]
        found: defaultdict[str, list[Used]] = defaultdict(list)
        for above in Volume.objects.filter(pool__host_id=pool.host_id, backing_path__in=paths).select_related("pool"):
            found[above.backing_path].append(Used("volume", above.name, above.get_absolute_url()))
        return found


def of(volume: Volume) -> list[Used]:
    """Who uses one volume."""
    return Usage([volume.pool]).of([volume], volume.pool)[volume.pk]


def _siblings(shared: Collection[tuple[str, str]]) -> list[Pool]:
    wanted = Q()
    for kind, source in shared:
        wanted |= Q(kind=kind, source=source)
    return list(Pool.objects.filter(wanted, gone_at=None).only("pk", "host_id", "name", "kind", "source", "path"))
