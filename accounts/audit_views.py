"""The audit log for administrators: filtered, checked, exported."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.forms import AuditFilter
from accounts.models import AuditEntry
from accounts.pieces import page
from accounts.requests import for_administrators

_PAGE = 100
_PIECE = 500
_COLUMNS = ("id", "at", "actor", "address", "action", "subject", "result", "detail", "digest")


@require_safe
@for_administrators
def listing(request: HttpRequest) -> HttpResponse:
    """Newest first, older ones by `before`. `check=1` walks the whole chain."""
    wanted = _filter(request)
    entries = _entries(wanted)
    before = _number(request.GET.get("before", ""))
    shown = list((entries.filter(pk__lt=before) if before else entries)[: _PAGE + 1])
    more = shown[_PAGE:]
    checked = request.GET.get("check") == "1"
    context = {
        "form": AuditFilter(wanted),
        "wanted": wanted,
        "entries": shown[:_PAGE],
        "total": entries.count(),
        "older": shown[_PAGE - 1].pk if more else None,
        "is_first": not before,
        "question": "&".join(f"{name}={value}" for name, value in _encoded(wanted)),
        "actions": AuditEntry.objects.order_by("action").values_list("action", flat=True).distinct(),
        "results": AuditEntry.objects.order_by("result").values_list("result", flat=True).distinct(),
        "checked": checked,
        "broken": audit.first_broken() if checked else None,
        "length": AuditEntry.objects.count() if checked else None,
    }
    return page(request, "accounts/audit.html", context, {"audit": "accounts/_audit.html"})


@require_safe
@for_administrators
def export(request: HttpRequest) -> StreamingHttpResponse:
    """All that the filter lets through, oldest first, as CSV."""
    entries = _entries(_filter(request))
    audit.record("audit.export", detail=_filter(request))
    response = StreamingHttpResponse(_lines(entries), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="audit-{timezone.now():%Y-%m-%d}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _filter(request: HttpRequest) -> dict[str, str]:
    """The parts of the question that make sense."""
    form = AuditFilter(request.GET)
    form.is_valid()
    return {name: str(value) for name, value in form.cleaned_data.items() if value}


def _entries(wanted: dict[str, str]) -> QuerySet[AuditEntry]:
    entries = AuditEntry.objects.all()
    plain = {"who": "actor__icontains", "action": "action", "subject": "subject__icontains", "result": "result"}
    for name, lookup in plain.items():
        if name in wanted:
            entries = entries.filter(**{lookup: wanted[name]})
    if "since" in wanted:
        entries = entries.filter(at__gte=_midnight(wanted["since"]))
    if "until" in wanted:
        entries = entries.filter(at__lt=_midnight(wanted["until"]) + timedelta(days=1))
    return entries


def _midnight(day: str) -> datetime:
    return datetime.combine(datetime.fromisoformat(day), time(), tzinfo=UTC)


def _encoded(wanted: dict[str, str]) -> Iterator[tuple[str, str]]:
    from urllib.parse import quote

    for name, value in wanted.items():
        yield name, quote(value, safe="")


async def _lines(entries: QuerySet[AuditEntry]) -> AsyncIterator[str]:
    """Read piece by piece: the log may be larger than what memory should hold."""
    writer, last = csv.writer(_Echo()), 0
    yield writer.writerow(_COLUMNS)
    while piece := await sync_to_async(_piece)(entries, last):
        yield "".join(writer.writerow([_harmless(value) for value in _cells(entry)]) for entry in piece)
        last = piece[-1].pk


def _piece(entries: QuerySet[AuditEntry], after: int) -> list[AuditEntry]:
    return list(entries.filter(pk__gt=after).order_by("id")[:_PIECE])


def _cells(entry: AuditEntry) -> tuple[Any, ...]:
    detail = json.dumps(entry.detail, ensure_ascii=False, sort_keys=True) if entry.detail else ""
    return (entry.pk, entry.at.isoformat(), entry.actor, entry.address or "", entry.action, entry.subject, entry.result, detail, entry.digest)


def _harmless(value: Any) -> Any:
    """A spreadsheet would run a name that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


class _Echo:
    """A file for csv.writer whose write() gives the line back."""

    def write(self, line: str) -> str:
        return line
