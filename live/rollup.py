"""Samples of hosts and machines in rows: one a minute, rolled up to coarser ones, forgotten in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Avg, Max, Min

from live.metrics import KEPT, Resolution, Sample, beginning

S = TypeVar("S", bound=Sample)

_AVERAGED = ("cpu_percent", "memory_used", "memory_total", "disk_read", "disk_write", "net_rx", "net_tx")
_STEPS = ((Resolution.MINUTE, Resolution.QUARTER), (Resolution.QUARTER, Resolution.SIX_HOURS))
# A minute's row comes up to some seconds after the minute; a watcher that was held up may be later.
_LATE = timedelta(minutes=2)
# Subjects a transaction: SQLite's writers wait for one another.
_BUCKET = 200


def store(model: type[Sample], subject: str, at: datetime, averages: Mapping[int, Mapping[str, Any]]) -> None:
    """Append a minute's rows, by the id of the subject; `subject` names the model's column ("machine").

    By one prepared statement: objects and generated SQL take several times as long, each minute, for each machine.
    """
    quote, when = connection.ops.quote_name, connection.ops.adapt_datetimefield_value(at)
    columns = [f"{subject}_id", "resolution", "at", *_AVERAGED]
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(map(quote, columns))}) VALUES ({marks})",
            [(key, int(Resolution.MINUTE), when, *(values[name] for name in _AVERAGED)) for key, values in averages.items()],
        )


def tidy(model: type[Sample], subject: str, now: datetime) -> None:
    """Make the coarser rows that are due, then remove the fine ones that are kept no longer. Does nothing twice."""
    for first in _buckets(model, subject):
        mine = {f"{subject}_id__gte": first, f"{subject}_id__lt": first + _BUCKET}
        with transaction.atomic():
            for fine, coarse in _STEPS:
                _roll_up(model, subject, mine, fine, coarse, now)
        for resolution, kept in KEPT.items():
            model._default_manager.filter(**mine, resolution=resolution, at__lt=now - kept).delete()


def _buckets(model: type[Sample], subject: str) -> Iterator[int]:
    """The first id of each range of subjects that has rows."""
    ends = model._default_manager.aggregate(least=Min(f"{subject}_id"), most=Max(f"{subject}_id"))
    if ends["least"] is not None:
        yield from range(ends["least"] // _BUCKET * _BUCKET, ends["most"] + 1, _BUCKET)


def _roll_up(model: type[Sample], subject: str, mine: dict[str, int], fine: Resolution, coarse: Resolution, now: datetime) -> None:
    """Every whole period that is over, has rows and was not made yet."""
    rows = model._default_manager.filter(**mine)
    last = rows.filter(resolution=coarse).aggregate(at=Max("at"))["at"]
    todo = rows.filter(resolution=fine, at__lt=beginning(now - _LATE, coarse))
    if last:
        todo = todo.filter(at__gte=last + timedelta(seconds=coarse))
    while (first := todo.aggregate(at=Min("at"))["at"]) is not None:
        at = beginning(first, coarse)
        _make(model, subject, mine, fine, coarse, at)
        todo = todo.filter(at__gte=at + timedelta(seconds=coarse))


def _make(model: type[Sample], subject: str, mine: dict[str, int], fine: Resolution, coarse: Resolution, at: datetime) -> None:
    period = model._default_manager.filter(**mine, resolution=fine, at__gte=at, at__lt=at + timedelta(seconds=coarse))
    averages = {name: Avg(name) for name in _AVERAGED}
    found = period.order_by().values(f"{subject}_id").annotate(**{f"mean_{name}": mean for name, mean in averages.items()})
    model._default_manager.bulk_create([_coarse_row(model, subject, row, coarse, at) for row in found])


def _coarse_row(model: type[S], subject: str, row: dict[str, Any], coarse: Resolution, at: datetime) -> S:
    values = {name: row[f"mean_{name}"] for name in _AVERAGED}
    for name in ("memory_used", "memory_total"):
        values[name] = None if values[name] is None else int(values[name])
    return model(**{f"{subject}_id": row[f"{subject}_id"]}, resolution=coarse, at=at, **values)
