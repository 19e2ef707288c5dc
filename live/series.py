"""Numbers of a host or a machine over time, as the charts want them: columns, oldest first, few enough to draw at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from live import metrics
from live.metrics import Resolution

logger = logging.getLogger(__name__)

_MOST_POINTS = 480
_NAMES = ("cpu", "mem", "total", "rd", "wr", "rx", "tx")  # in the order of metrics.COLUMNS[1:]


@dataclass(frozen=True)
class Range:
    """`resolution` of the stored rows; None: only what Redis holds."""

    name: str
    title: Any
    window: timedelta
    resolution: Resolution | None

    @property
    def seconds(self) -> int:
        return int(self.window.total_seconds())


RANGES = {
    range_.name: range_
    for range_ in (
        Range("15m", _("15 min"), timedelta(minutes=15), None),
        Range("1h", _("1 h"), timedelta(hours=1), Resolution.MINUTE),
        Range("24h", _("24 h"), timedelta(hours=24), Resolution.MINUTE),
        Range("7d", _("7 d"), timedelta(days=7), Resolution.QUARTER),
        Range("30d", _("30 d"), timedelta(days=30), Resolution.QUARTER),
        Range("1y", _("1 y"), timedelta(days=365), Resolution.SIX_HOURS),
    )
}
USUAL = "1h"


def range_of(name: str) -> Range:
    """The range called so, else the usual one."""
    return RANGES.get(name, RANGES[USUAL])


def chart(kind: str, key: int, samples: QuerySet[Any], range_: Range, *, memory_bytes: int = 0) -> dict[str, Any]:
    """{"at": [seconds], "cpu": […], "mem": […], "mem_total": bytes, "rd": […], "wr": […], "rx": […], "tx": […]}.

    `kind` and `key` name the subject in Redis ("host", 3), `samples` are its stored rows of all resolutions. The newest
    quarter of an hour comes at full rate from Redis where the window is short; while Redis is away the stored rows are
    all there is. `memory_bytes`: its memory where no sample tells.
    """
    now = time.time()
    recent = _recent(kind, key) if range_.seconds <= 3600 else []
    until = recent[0][0] if recent else now
    rows = [row for row in _stored(samples, range_) if row[0] < until] + recent
    thinned = _thinned([row for row in rows if row[0] >= now - range_.seconds], _MOST_POINTS)
    columns: dict[str, Any] = {"at": [int(row[0]) for row in thinned]}
    for index, name in enumerate(_NAMES, start=1):
        columns[name] = [_short(row[index]) for row in thinned]
    totals = [value for value in columns.pop("total") if value]
    return columns | {"mem_total": totals[-1] if totals else memory_bytes, "window": range_.seconds}


_Point = tuple[Any, ...]  # seconds since 1970, then _NAMES


def _recent(kind: str, key: int) -> list[_Point]:
    try:
        rows = metrics.recent(kind, key)
    except redis.RedisError as exc:
        logger.warning("no recent numbers: %s", exc)
        return []
    # a host's rows may end after its memory: it has no disks of its own
    return [((row[0] or 0) / 1000, *row[1:], *[None] * (len(metrics.COLUMNS) - len(row))) for row in rows]


def _stored(samples: QuerySet[Any], range_: Range) -> list[_Point]:
    if range_.resolution is None:
        return []
    rows = samples.filter(resolution=range_.resolution, at__gte=timezone.now() - range_.window)
    return [(row[0].timestamp(), *row[1:]) for row in rows.order_by("at").values_list(*metrics.COLUMNS)]


def _thinned(rows: list[_Point], most: int) -> list[_Point]:
    """Averages of neighbours, so that no more than `most` are left: a peak stays visible in its average's rise."""
    size = -(-len(rows) // most)
    if size <= 1:
        return rows
    return [_average(rows[start : start + size]) for start in range(0, len(rows), size)]


def _average(rows: Sequence[_Point]) -> _Point:
    columns = []
    for index in range(len(_NAMES) + 1):
        values = [row[index] for row in rows if row[index] is not None]
        columns.append(sum(values) / len(values) if values else None)
    return tuple(columns)


def _short(value: float | None) -> float | None:
    """One digit behind the point is more than a pixel can show."""
    return None if value is None else round(value, 1) if value < 1000 else round(value)
