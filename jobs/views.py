"""Pages of jobs: the drawer at the foot of every page, the list, one job with its log."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from accounts.requests import person_of
from accounts.roles import Role
from jobs import access, listing
from jobs.shown import Shown, ask_again, stop
from jobs.submit import Refused
from live import answers

_MOST_LINES = 2_000


@require_safe
def drawer(request: HttpRequest) -> HttpResponse:
    response = render(request, "jobs/drawer.html", {"drawer": listing.Drawer(person_of(request))})
    response.headers["Cache-Control"] = "no-store"
    return response


@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    page = listing.Page(listing.Query.of(request.GET), person_of(request))
    return answers.page(request, "jobs/list.html", {"page": page, "query": page.query}, {"joblist": "jobs/_list.html"})


@require_safe
def job(request: HttpRequest, pk: int) -> HttpResponse:
    user = person_of(request)
    shown = Shown(access.get(user, pk), user)
    lines = list(shown.job.lines.order_by("-id")[: _MOST_LINES + 1])
    context = {
        "shown": shown,
        "job": shown.job,
        "lines": lines[:_MOST_LINES][::-1],
        "is_cut": len(lines) > _MOST_LINES,
        "parent": access.visible(user).filter(pk=shown.job.parent_id).first() if shown.job.parent_id else None,
        "batch_count": access.visible(user).filter(batch=shown.job.batch).count() if shown.job.batch else 0,
    }
    return answers.page(request, "jobs/job.html", context, {"job": "jobs/_job.html"})


@require_safe
def log(request: HttpRequest, pk: int) -> HttpResponse:
    """All of it, as plain text."""
    found = access.get(person_of(request), pk)
    lines = "".join(f"{line.at:%Y-%m-%d %H:%M:%S} {line.text}\n" for line in found.lines.iterator())
    return HttpResponse(f"{found.title} {found.subject_name}\n{lines}", content_type="text/plain; charset=utf-8")


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    user = person_of(request)
    found = access.get(user, pk, Role.OPERATOR)
    refusal = stop(Shown(found, user))
    if refusal:
        return answers.refused(request, refusal, found.get_absolute_url())
    return answers.done(request, found.get_absolute_url(), job_id=found.pk)


@require_POST
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """The same once more, for the person who presses it, with the checks of the first time."""
    user = person_of(request)
    found = access.get(user, pk, Role.OPERATOR)
    try:
        job = ask_again(user, found)
    except Refused as exc:
        return answers.refused(request, str(exc), found.get_absolute_url())
    return answers.done(request, job.get_absolute_url(), job_id=job.pk, go=True)
