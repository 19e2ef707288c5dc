"""What a host shows of its pools and volumes, compared with the rows; then few bulk writes. The watcher alone comes here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from hosts.storage.models import Pool, Volume
from live import facts
from virt import pool as virt_pool
from virt.connection import Connection
from virt.pool import PoolSeen
from virt.volume import VolumeSeen

GONE_KEPT = timedelta(days=30)
_LARGEST = 2**63 - 1
_AT_ONCE = 500
_SIZES = ("capacity_bytes", "allocation_bytes", "available_bytes", "promised_bytes")
_POOL_COLUMNS = ("name", "kind", "state", "autostart", "persistent", *_SIZES, "volume_count", "path", "source", "xml", "pending")
_VOLUME_COLUMNS = ("key", "path", "kind", "format", "capacity_bytes", "allocation_bytes", "backing_path", "backing_format", "encrypted")
_LISTED = frozenset({"name", "state", "volume_count", "gone_at"})


def read(connection: Connection) -> tuple[PoolSeen, ...]:
    """For the study: frozen values that compare by content."""
    return virt_pool.list_all(connection)


# ── comparing ──


@dataclass(frozen=True, slots=True)
class Differences:
    """Volumes of one pool: to add, to change (row id and columns), to remove (row ids)."""

    added: list[VolumeSeen] = field(default_factory=list)
    changed: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def pool_columns(seen: PoolSeen) -> dict[str, Any]:
    """What the row should say. An unseen pool's volumes, and its room, stay as they were last seen."""
    columns: dict[str, Any] = {
        "name": seen.name[:255],
        "kind": seen.kind[:16],
        "state": seen.state,
        "autostart": seen.autostart,
        "persistent": seen.persistent,
        "path": seen.path[:1000],
        "source": seen.source[:1000],
        "xml": seen.xml,
        "pending": seen.pending,
    }
    if seen.active:
        columns |= {name: min(getattr(seen, name), _LARGEST) for name in ("capacity_bytes", "allocation_bytes", "available_bytes")}
    if seen.volumes is not None:
        columns |= {"volume_count": len(seen.volumes), "promised_bytes": min(sum(volume.capacity_bytes for volume in seen.volumes), _LARGEST)}
    return columns


def compare_volumes(known: Mapping[str, tuple[Any, ...]], seen: Sequence[VolumeSeen]) -> Differences:
    """`known`: name → (row id, columns in the order of _VOLUME_COLUMNS)."""
    found = Differences()
    names = set()
    for volume in seen:
        name = volume.name[:255]
        if name in names:
            continue
        names.add(name)
        row = known.get(name)
        if row is None:
            found.added.append(volume)
            continue
        now = volume_columns(volume)
        changed = {column: now[column] for column, before in zip(_VOLUME_COLUMNS, row[1:], strict=True) if now[column] != before}
        if changed:
            found.changed.append((row[0], changed))
    found.removed.extend(row[0] for name, row in known.items() if name not in names)
    return found


def volume_columns(seen: VolumeSeen) -> dict[str, Any]:
    return {
        "key": seen.key[:1000],
        "path": seen.path[:1000],
        "kind": seen.kind[:8],
        "format": seen.format[:32],
        "capacity_bytes": min(seen.capacity_bytes, _LARGEST),
        "allocation_bytes": min(seen.allocation_bytes, _LARGEST),
        "backing_path": seen.backing_path[:1000],
        "backing_format": seen.backing_format[:32],
        "encrypted": seen.encrypted,
    }


# ── writing ──


def store(host_id: int, seen: Sequence[PoolSeen]) -> None:
    """In the writer's transaction."""
    now = timezone.now()
    rows = {pool.uuid: pool for pool in Pool.objects.filter(host_id=host_id)}
    touched: dict[int, bool] = {}  # row id → whether lists change with it
    for each in seen:
        pool, changed = _store_pool(host_id, rows.pop(each.uuid[:36], None), each)
        if _store_volumes(pool, each.volumes) or changed:
            touched[pool.pk] = bool(_LISTED.intersection(changed))
    for pool in rows.values():
        if pool.gone_at is None:
            _vanish(pool, now)
            touched[pool.pk] = True
        elif pool.gone_at < now - GONE_KEPT:
            pool.delete()
    if touched:
        facts.publish([*(f"pool:{pk}" for pk in touched), "storage", f"host:{host_id}"], "pools", host_id=host_id)


def _store_pool(host_id: int, row: Pool | None, seen: PoolSeen) -> tuple[Pool, set[str]]:
    columns = pool_columns(seen)
    if row is None:
        return Pool.objects.create(host_id=host_id, uuid=seen.uuid[:36], **columns), {"name"}
    columns["gone_at"] = None
    changed = {name: value for name, value in columns.items() if getattr(row, name) != value}
    if changed:
        Pool.objects.filter(pk=row.pk).update(**changed)
    return row, set(changed)


def _store_volumes(pool: Pool, seen: Sequence[VolumeSeen] | None) -> bool:
    if seen is None:
        return False
    known = {row[1]: (row[0], *row[2:]) for row in pool.volumes.order_by().values_list("pk", "name", *_VOLUME_COLUMNS)}
    found = compare_volumes(known, seen)
    if not found:
        return False
    for ids in _chunks(found.removed):
        Volume.objects.filter(pk__in=ids).delete()
    Volume.objects.bulk_create([Volume(pool=pool, name=volume.name[:255], **volume_columns(volume)) for volume in found.added], batch_size=_AT_ONCE)
    _change(found.changed)
    return True


def _change(changed: Sequence[tuple[int, dict[str, Any]]]) -> None:
    by_id = dict(changed)
    for ids in _chunks(list(by_id)):
        rows = list(Volume.objects.filter(pk__in=ids))
        for row in rows:
            for name, value in by_id[row.pk].items():
                setattr(row, name, value)
        Volume.objects.bulk_update(rows, sorted({name for pk in ids for name in by_id[pk]}), batch_size=_AT_ONCE)


def _vanish(pool: Pool, at: datetime) -> None:
    pool.volumes.all().delete()
    Pool.objects.filter(pk=pool.pk).update(gone_at=at, state="off", volume_count=0, promised_bytes=0)


def _chunks(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
