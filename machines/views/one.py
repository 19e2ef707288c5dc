"""The pages of one machine, and what they are made of."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET

from accounts.roles import Role
from jobs import access as job_access
from live import answers, series, wishes
from live.wishes import GUEST
from machines import access, history, notes, screens
from machines.models import Definition, Machine
from machines.overview import Overview
from machines.views.asking import number, user_of

_HISTORY_LINES = 50
_OVERVIEW = {
    "machine-head": "machines/_head.html",
    "machine-screen": "machines/_screen.html",
    "machine-facts": "machines/_facts.html",
    "machine-load": "machines/_load.html",
    "machine-devices": "machines/_devices.html",
    "machine-side": "machines/_side.html",
}
_HISTORY = {"machine-head": "machines/_head.html", "machine-history": "machines/_history.html"}


@require_GET
def machine(request: HttpRequest, pk: int) -> HttpResponse:
    """Overview."""
    context = context_of(request, access.get(user_of(request), pk), "overview")
    if context["view"].is_live and context["machine"].agent and "WV-Fragment" not in request.headers:
        wishes.wish(context["machine"].host_id, f"{GUEST}{context['machine'].uuid}")
    context["range"] = series.range_of(request.GET.get("range", ""))
    context["ranges"] = series.RANGES.values()
    context["notes"] = notes.html(context["machine"].notes)
    return answers.page(request, "machines/machine.html", context, _OVERVIEW)


@require_GET
def timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """History: all that happened to it, and the versions of its definition."""
    user = user_of(request)
    found = access.get(user, pk)
    jobs = job_access.visible(user).filter(subject_type="machine", subject_id=found.pk)
    before = _moment(request.GET.get("before", ""))
    lines = history.lines(found, jobs, most=_HISTORY_LINES, before=before)
    context = context_of(request, found, "history") | {"lines": lines, "before": before}
    context["older"] = lines[-1].at.isoformat() if len(lines) == _HISTORY_LINES else ""
    context["versions"] = history.versions(found) if access.may(user, found, Role.OPERATOR) else None
    return answers.page(request, "machines/history.html", context, _HISTORY)


@require_GET
def definition(request: HttpRequest, pk: int, version: int) -> HttpResponse:
    """What changed in its definition from one version to another (`with`), by default the one before.

    For operators: a definition can hold what its makers put on command lines and into firmware tables.
    """
    found = access.get(user_of(request), pk, Role.OPERATOR)
    new, other = _version(found, version), number(request.GET.get("with", ""))
    old = history.before(new) if other is None else _version(found, other)
    changes = history.diff(old.xml if old else "", new.xml)
    context = context_of(request, found, "history") | {"new": new, "old": old, "changes": changes}
    return answers.page(request, "machines/definition.html", context, {"dialog": "machines/_definition.html"})


@require_GET
def metrics(request: HttpRequest, pk: int) -> HttpResponse:
    """Numbers for the charts (live.series.chart)."""
    found = access.get(user_of(request), pk)
    chosen = series.RANGES.get(request.GET.get("range", series.USUAL))
    if chosen is None:
        return JsonResponse({"error": "There is no such range."}, status=400)
    chart = series.chart("machine", found.pk, found.samples.all(), chosen, memory_bytes=found.memory_bytes)
    return JsonResponse(chart, headers={"Cache-Control": "no-store"})


@require_GET
def screen(request: HttpRequest, pk: int) -> HttpResponse:
    """The newest picture of its screen, for whoever may watch its console: 200, 304 when the browser has it, 204 when there is none (yet).

    `WV-Age` says how many seconds old it is, `WV-Problem` why there is none.
    """
    found = access.get(user_of(request), pk)
    picture = screens.look(found.pk) if found.is_active and not found.is_stale and not found.gone_at else None
    if picture is None or not picture.image:
        headers = {"WV-Problem": _header(picture.problem)} if picture else {}
        return HttpResponse(status=204, headers=headers | {"Cache-Control": "no-store"})
    headers = {"ETag": f'"{picture.tag}"', "Cache-Control": "private, no-cache", "WV-Age": f"{picture.age_seconds:.1f}"}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(picture.image, content_type="image/png", headers=headers)


def context_of(request: HttpRequest, machine: Machine, tab: str) -> dict[str, Any]:
    """What the head of each page of a machine needs."""
    return {"machine": machine, "view": Overview(machine, user_of(request)), "tab": tab}


def _version(machine: Machine, pk: int) -> Definition:
    found = machine.definitions.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _moment(text: str) -> Any:
    try:
        at = parse_datetime(text[:40])
    except ValueError:
        return None
    return at if at and at.tzinfo else None


def _header(text: str) -> str:
    """Words that come from a host, fit for a header."""
    return " ".join(text.encode("ascii", "replace").decode().split())[:300]
