"""The list of all machines, and what is done to many of them."""

from __future__ import annotations

import csv as csv_files
import datetime as dt
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from hosts import access as host_access
from jobs import access as job_access
from jobs.models import ACTIVE, Job
from jobs.submit import Refused
from live import answers
from machines import access, actions, filters
from machines.actions import Outcome
from machines.filters import Term
from machines.first import First
from machines.forms import BulkPowerForm
from machines.listing import Page, Query
from machines.models import Machine
from machines.power import VERBS, Verb
from machines.rows import rows_of
from machines.views.asking import first_error, number, user_of

_COLUMNS_COOKIE = "wv_columns"
_YEAR_SECONDS = 365 * 86_400
_MOST_ROWS = 400
_MOST_SHOWN_RESULTS = 300
_CSV_CHUNK = 500


@require_GET
def machines(request: HttpRequest) -> HttpResponse:
    """The fleet's machines as far as the person may see them."""
    user = user_of(request)
    page = Page.of(_query(request), user)
    context: dict[str, Any] = {"page": page, "query": page.query, "hints": filters.HINTS, "creates": access.creates_anywhere(user)}
    if not page.rows and not page.query.is_filtered:
        context["first"] = First.of(user)
    answer = answers.page(request, "machines/list.html", context, {"machines": "machines/_list.html"})
    if "columns" in request.GET:
        answer.set_cookie(_COLUMNS_COOKIE, ".".join(page.query.columns), max_age=_YEAR_SECONDS, samesite="Lax", httponly=True)
    return answer


@require_GET
def rows(request: HttpRequest) -> HttpResponse:
    """Just the rows of some machines; those that the list's filter (in the query as well) does not show are missing."""
    query, user = _query(request), user_of(request)
    ids = [pk for pk in map(number, request.GET.get("ids", "").split(",")) if pk is not None]
    chosen = query.machines(user).filter(pk__in=ids[:_MOST_ROWS])
    answer = render(request, "machines/_rows.html", {"rows": rows_of(chosen, user), "query": query, "acts": access.acts_anywhere(user)})
    answer.headers["Cache-Control"] = "no-store"
    return answer


@require_GET
def csv(request: HttpRequest) -> HttpResponseBase:
    """All machines of the filter, every column, as a spreadsheet reads them."""
    query, user = _query(request), user_of(request)
    answer = StreamingHttpResponse(_csv_lines(query.machines(user), user), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="machines-{dt.date.today():%Y-%m-%d}.csv"'
    return answer


@require_POST
def bulk_power(request: HttpRequest) -> HttpResponse:
    """A verb for many machines; what can do harm, and whatever is meant for a whole list, is asked back first."""
    form = BulkPowerForm(request.POST)
    if not form.is_valid():
        return answers.refused(request, first_error(form), reverse("machines:list"), status=400)
    user, verb, query = user_of(request), VERBS[form.cleaned_data["action"]], form.query
    chosen = query.machines(user) if query else access.visible(user).filter(pk__in=form.cleaned_data["ids"])
    if (query or verb.danger) and "confirmed" not in request.POST:
        return _ask_back(request, verb, chosen, query)
    try:
        outcomes = actions.set_power_of_many(user, chosen, verb.name)
    except Refused as exc:  # too many jobs of this person wait already
        return answers.refused(request, str(exc), reverse("machines:list"))
    return _tell_outcomes(request, verb, outcomes)


@require_GET
def batch(request: HttpRequest, batch: str) -> HttpResponse:
    """How the jobs of one bulk action stand."""
    context = _batch(job_access.visible(user_of(request)), batch)
    if not context["total"]:
        raise Http404
    return answers.page(request, "machines/batch.html", context, {"batch": "machines/_batch.html"})


def _query(request: HttpRequest) -> Query:
    query = Query.of(request.GET, kept_columns=request.COOKIES.get(_COLUMNS_COOKIE, ""))
    host = number(request.GET.get("host", ""))
    if host is not None:  # a host's page and the tree link by number: names can change
        chip = Term("host", "=", (host_access.get(user_of(request), host).name,))
        query = replace(query, chips=(*query.chips, chip))
    return query


def _csv_lines(machines: QuerySet[Machine], user: User) -> Iterator[str]:
    heads = ("name", "title", "host", "state", "seen", "vcpus", "memory_bytes", "memory_used_bytes", "cpu_percent", "disk_bytes_s", "net_bytes_s")
    yield _csv_line([*heads, "ip", "os", "started_at", "autostart", "uuid"])
    for start in range(0, machines.count(), _CSV_CHUNK):
        for row in rows_of(machines[start : start + _CSV_CHUNK], user):
            numbers = (row.vcpus, row.memory_total, row.memory_used, row.cpu, row.disk, row.net)
            names = (row.name, row.title, row.host_name, row.state, _moment(row.seen_at if row.stale else None))
            yield _csv_line([*names, *numbers, row.ip, row.os, _moment(row.started_at), row.autostart, row.uuid])


def _moment(at: dt.datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def _csv_line(values: Iterable[Any]) -> str:
    """A text that a spreadsheet would take for a formula gets an apostrophe: names come from guests and strangers."""
    line = io.StringIO()
    csv_files.writer(line).writerow([f"'{value}" if str(value).startswith(_FORMULA) else value for value in values])
    return line.getvalue()


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _ask_back(request: HttpRequest, verb: Verb, chosen: QuerySet[Machine], query: Query | None) -> HttpResponse:
    fields = [(name, value) for name, values in request.POST.lists() if name != "csrfmiddlewaretoken" for value in values]
    names = list(chosen.values_list("name", flat=True)[:12])
    context = {"verb": verb, "count": chosen.count(), "names": names, "fields": fields, "query": query}
    return answers.page(request, _in_dialog(request, "machines/bulk_confirm.html"), context)


def _tell_outcomes(request: HttpRequest, verb: Verb, outcomes: list[Outcome]) -> HttpResponse:
    accepted = [outcome.job for outcome in outcomes if outcome.job]
    refused = [outcome for outcome in outcomes if outcome.refused]
    context: dict[str, Any] = {"verb": verb, "count": len(outcomes), "accepted": len(accepted), "refused": refused[:_MOST_SHOWN_RESULTS]}
    context["refused_count"] = len(refused)
    if accepted:
        context |= _batch(job_access.visible(user_of(request)), accepted[0].batch)
    return answers.page(request, _in_dialog(request, "machines/bulk_result.html"), context)


def _in_dialog(request: HttpRequest, template: str) -> str:
    """Sent by a script the answer is shown in the dialog: the piece without the page around it."""
    return template.replace("machines/", "machines/_") if answers.is_async(request) else template


def _batch(visible: QuerySet[Job], batch: str) -> dict[str, Any]:
    jobs = visible.filter(batch=batch)
    tally = Counter(dict(jobs.order_by().values_list("state").annotate(Count("pk"))))
    shown = list(jobs.order_by("subject_name", "pk")[:_MOST_SHOWN_RESULTS])
    active = sum(tally[state] for state in ACTIVE)
    return {
        "batch": batch,
        "jobs": shown,
        "tally": tally,
        "total": tally.total(),
        "ended": tally.total() - active,
        "failed": tally["failed"] + tally["interrupted"],
        "title": shown[0].title if shown else "",
    }
