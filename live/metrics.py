"""Numbers over time: the last quarter of an hour at full rate in Redis, the rest rolled up in rows.

A sample is a list in the order of COLUMNS; None where the hypervisor does not tell. Hosts and machines share the shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import cache
from typing import Any, ClassVar, cast

import redis
from django.conf import settings
from django.db import models
from redis.commands.core import Script

# at: ms since 1970; percent of all of its processors; bytes; bytes a second
COLUMNS = ("at", "cpu_percent", "memory_used", "memory_total", "disk_read", "disk_write", "net_rx", "net_tx")
Row = Sequence[float | None]

RECENT = timedelta(minutes=15)
_RECENT_ROWS = 180  # at 5 s
SPARK_POINTS = 24
_SPARK_STEP_MS = 25_000  # ten minutes in all; static/js/row-numbers.js goes on in the same steps


class Resolution(IntEnum):
    """Seconds that a stored row covers."""

    MINUTE = 60
    QUARTER = 900
    SIX_HOURS = 21_600


KEPT = {
    Resolution.MINUTE: timedelta(days=1),
    Resolution.QUARTER: timedelta(days=30),
    Resolution.SIX_HOURS: timedelta(days=730),
}


class Sample(models.Model):
    """Averages over `resolution` seconds that begin at `at`; the subject is a column of the concrete table."""

    resolution = models.PositiveIntegerField()
    at = models.DateTimeField()
    cpu_percent = models.FloatField(null=True)
    memory_used = models.BigIntegerField(null=True)
    memory_total = models.BigIntegerField(null=True)
    disk_read = models.FloatField(null=True)
    disk_write = models.FloatField(null=True)
    net_rx = models.FloatField(null=True)
    net_tx = models.FloatField(null=True)

    class Meta:
        abstract = True
        ordering: ClassVar = ["at"]


@cache
def store() -> redis.Redis:
    """The Redis of this process (its pool survives restarts of the server and is thread-safe)."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2)


def remember(samples: Mapping[str, Mapping[int, Row]]) -> None:
    """Append the newest sample of many subjects, by kind ("machine", "host"), in one round trip and one command."""
    rows = {_name(kind, key): json.dumps(row) for kind, of_kind in samples.items() for key, row in of_kind.items()}
    points = {
        _spark_name(kind, key): round(row[1] or 0) for kind, of_kind in samples.items() for key, row in of_kind.items() if _begins_a_point(kind, key, row)
    }
    if rows:
        limits = (len(rows), _RECENT_ROWS, SPARK_POINTS, int(RECENT.total_seconds()))
        _append()(keys=[*rows, *points], args=[*limits, *rows.values(), *points.values()])


def recent(kind: str, key: int) -> list[list[float | None]]:
    """The last quarter of an hour of one subject, oldest first."""
    return [json.loads(row) for row in _range(kind, key)]


def recent_of_many(kind: str, keys: Iterable[int], last: int = 24) -> dict[int, list[list[float | None]]]:
    """The newest `last` samples of several subjects in one round trip, for sparklines."""
    wanted = list(keys)
    pipe = store().pipeline(transaction=False)
    for key in wanted:
        pipe.lrange(_name(kind, key), -last, -1)
    answers = pipe.execute() if wanted else []
    return {key: json.loads(b"[" + b",".join(rows) + b"]") for key, rows in zip(wanted, answers, strict=True)}


@dataclass(frozen=True, slots=True)
class Glance:
    """What a row of a list shows of a subject: the newest sample, and CPU percent over the last ten minutes, oldest first."""

    newest: list[float | None] | None
    points: list[int]


def glance(kind: str, keys: Iterable[int]) -> dict[int, Glance]:
    """A glance at each of several subjects, in one round trip."""
    wanted = list(keys)
    pipe = store().pipeline(transaction=False)
    for key in wanted:
        pipe.lindex(_name(kind, key), -1)
        pipe.lrange(_spark_name(kind, key), 0, -1)
    answers = pipe.execute() if wanted else []
    newest, sparks = answers[::2], answers[1::2]
    return {key: Glance(json.loads(row) if row else None, [int(point) for point in points]) for key, row, points in zip(wanted, newest, sparks, strict=True)}


class Mean:
    """Column averages of samples as they come in: a minute's rows of ten thousand machines would take 25 MB."""

    __slots__ = ("_counts", "_sums", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self._sums: list[float] = [0.0] * (len(COLUMNS) - 1)
        self._counts = [0] * (len(COLUMNS) - 1)

    def add(self, row: Row) -> None:
        self.rows += 1
        for index, value in enumerate(row[1:]):
            if value is not None:
                self._sums[index] += value
                self._counts[index] += 1

    def fields(self) -> dict[str, Any]:
        """As fields of Sample; None where no sample had a value."""
        means = {name: total / count if count else None for name, total, count in zip(COLUMNS[1:], self._sums, self._counts, strict=True)}
        return {name: int(mean) if mean is not None and name in _WHOLE else mean for name, mean in means.items()}


_WHOLE = frozenset({"memory_used", "memory_total"})


def beginning(at: datetime, resolution: Resolution) -> datetime:
    """When the row that holds `at` begins."""
    seconds = int(at.timestamp()) // resolution * resolution
    return datetime.fromtimestamp(seconds, tz=at.tzinfo)


@cache
def _append() -> Script:
    """Three commands a key, done in the server: packing them here would cost the watcher more than taking the samples."""
    return store().register_script("""
        local rows, most_rows, most_points, seconds = unpack(ARGV, 1, 4)
        for i, key in ipairs(KEYS) do
            redis.call('RPUSH', key, ARGV[i + 4])
            redis.call('LTRIM', key, -(i <= tonumber(rows) and most_rows or most_points), -1)
            redis.call('EXPIRE', key, seconds)
        end
    """)


def _range(kind: str, key: int) -> list[bytes]:
    return cast("list[bytes]", store().lrange(_name(kind, key), 0, -1))


def _begins_a_point(kind: str, key: int, row: Row) -> bool:
    """Whether the sample is the first this process stores in its step of the sparkline."""
    step = int((row[0] or 0) // _SPARK_STEP_MS)
    last = _spark_steps.get((kind, key))
    _spark_steps[kind, key] = step
    return last != step


_spark_steps: dict[tuple[str, int], int] = {}


def _name(kind: str, key: int) -> str:
    return f"wv:recent:{kind}:{key}"


def _spark_name(kind: str, key: int) -> str:
    return f"wv:spark:{kind}:{key}"
