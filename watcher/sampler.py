"""How busy a host and its machines are: every few seconds as numbers for charts, every minute as averages for rows."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from live import facts, metrics
from live.metrics import Mean, Resolution, Row
from virt import host, stats
from virt.connection import Connection
from virt.host import HostLoad
from virt.stats import RawSample

logger = logging.getLogger(__name__)

Seconds = float

_TRAFFIC = range(4, 8)  # of live.metrics.COLUMNS
_REDIS_PAUSE: Seconds = 5.0
_redis_away_until: Seconds = 0.0


@dataclass(frozen=True, slots=True)
class Minute:
    """Averages over the minute that began at `at`; machines by row id, as fields of live.metrics.Sample."""

    at: datetime
    host: Mapping[str, Any] | None
    machines: Mapping[int, Mapping[str, Any]]
    latency_ms: float | None


class Sampler:
    """One host's. `ids`: row ids by uuid, as they are at the time; `keep` takes a minute's averages."""

    def __init__(self, host_id: int, ids: Mapping[str, int], keep: Callable[[Minute], None]) -> None:
        self._host_id = host_id
        self._ids = ids
        self._keep = keep
        self._lock = threading.Lock()
        self._machines_before: dict[str, RawSample] = {}
        self._host_before: HostLoad | None = None
        self._minute: datetime | None = None
        self._host_mean = Mean()
        self._machine_means: defaultdict[int, Mean] = defaultdict(Mean)
        self._latencies: list[float] = []

    def take(self, connection: Connection) -> None:
        """Ask the host, push what it said. Runs in a helper thread; a call that hung for long comes too late and is dropped."""
        asked = time.monotonic()
        load = connection.load()
        latency = (time.monotonic() - asked) / 2 * 1000  # two calls
        samples = stats.sample(connection)
        with self._lock:
            if self._host_before and load.at < self._host_before.at:
                return
            self._end_minute()
            self._latencies.append(latency)
            rows = self._rows(samples)
            self._push(self._host_row(load, rows), rows)

    def _host_row(self, load: HostLoad, rows: Mapping[int, Row]) -> Row | None:
        """The host's own processors and memory; of disks and networks what its machines do with them."""
        before, self._host_before = self._host_before, load
        cpu = host.cpu_percent(before, load) if before else None
        if cpu is None and load.memory_used_bytes is None:
            return None
        traffic = [_together([row[column] for row in rows.values()]) for column in _TRAFFIC]
        return (_now_ms(), _tenth(cpu), load.memory_used_bytes, load.memory_bytes, *traffic)

    def _rows(self, samples: list[RawSample]) -> dict[int, Row]:
        """By row id; a machine of which nothing is known, or that is so new that it has no row, is left out."""
        at, before, rows = _now_ms(), self._machines_before, {}
        for sample in samples:
            pk = self._ids.get(sample.uuid)
            if pk is not None and (row := _row(at, before.get(sample.uuid), sample)):
                rows[pk] = row
        self._machines_before = {sample.uuid: sample for sample in samples}
        return rows

    def _push(self, host_row: Row | None, rows: dict[int, Row]) -> None:
        if host_row:
            self._host_mean.add(host_row)
        for pk, row in rows.items():
            self._machine_means[pk].add(row)
        if host_row or rows:
            facts.publish_numbers(self._host_id, host_row, rows)
            _remember({"host": {self._host_id: host_row} if host_row else {}, "machine": rows})

    def _end_minute(self) -> None:
        """Hand over the minute that is over, if one is."""
        now = metrics.beginning(datetime.now(UTC), Resolution.MINUTE)
        if self._minute == now:
            return
        if self._minute is not None:
            self._keep(self._averages(self._minute))
        self._minute = now
        self._host_mean, self._latencies = Mean(), []
        self._machine_means = defaultdict(Mean)

    def _averages(self, at: datetime) -> Minute:
        return Minute(
            at=at,
            host=self._host_mean.fields() if self._host_mean.rows else None,
            machines={pk: mean.fields() for pk, mean in self._machine_means.items()},
            latency_ms=round(min(self._latencies), 2) if self._latencies else None,
        )


def _row(at: int, before: RawSample | None, after: RawSample) -> Row | None:
    """A row of live.metrics.COLUMNS, None when nothing is known."""
    if before is None:
        if after.memory_bytes is None:
            return None
        return (at, None, after.memory_used_bytes, after.memory_bytes, None, None, None, None)
    rates = stats.rates(before, after)
    if rates.cpu_percent is None and rates.memory_bytes is None:
        return None
    return (
        at,
        _tenth(rates.cpu_percent),
        rates.memory_used_bytes,
        rates.memory_bytes,
        _whole(rates.disk_read_bps),
        _whole(rates.disk_write_bps),
        _whole(rates.net_rx_bps),
        _whole(rates.net_tx_bps),
    )


def _remember(samples: Mapping[str, Mapping[int, Row]]) -> None:
    """Redis keeps the last quarter of an hour; while it is away, that is missing and nothing else."""
    global _redis_away_until
    if time.monotonic() < _redis_away_until:
        return
    try:
        metrics.remember(samples)
    except redis.RedisError as exc:
        _redis_away_until = time.monotonic() + _REDIS_PAUSE
        logger.warning("recent numbers are not kept: %s", exc)


def _together(numbers: list[float | None]) -> float | None:
    """The sum of what is known; nothing at all is 0, nothing known is None."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known or not numbers else None


def _now_ms() -> int:
    return int(time.time() * 1000)


def _tenth(number: float | None) -> float | None:
    return None if number is None else round(number, 1)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
