"""Pages of hosts. None of them reaches a host: they show what the watcher wrote and submit jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from accounts.roles import Role
from hosts import access, actions, guests, keys, listing
from hosts import tree as side_tree
from hosts.actions import Actor, Stale
from hosts.forms import FIELDS_OF, HostForm
from hosts.models import Host
from hosts.overview import Overview
from jobs.submit import Refused
from live import answers, series

_LOG_LINES = 200
_MOST_ROWS = 200


# ── lists ──


@require_GET
def hosts(request: HttpRequest) -> HttpResponse:
    page = listing.Page.of(listing.Query.of(request.GET), _user(request))
    context = {"page": page, "query": page.query, "administers": access.may_administer(_user(request))}
    return answers.page(request, "hosts/list.html", context, {"hosts": "hosts/_list.html"})


@require_GET
def rows(request: HttpRequest) -> HttpResponse:
    """Changed rows by their ids; as cards they are the same rows."""
    ids = [int(text) for text in request.GET.get("ids", "").split(",") if text.isdigit() and len(text) < 16]
    return render(request, "hosts/_rows.html", {"rows": listing.some(ids[:_MOST_ROWS], _user(request))})


@require_GET
def whole_tree(request: HttpRequest) -> HttpResponse:
    return render(request, "frame/tree.html", {"hosts": side_tree.nodes(_user(request))})


@require_GET
def tree(request: HttpRequest, pk: int) -> HttpResponse:
    branch = side_tree.branch(_user(request), access.get(_user(request), pk))
    more_url = guests.ask().list_url(branch.host)
    return render(request, "frame/branch.html", {"host": branch.host, "machines": branch.machines, "more": branch.more, "more_url": more_url})


# ── one host ──


@require_GET
def host(request: HttpRequest, pk: int) -> HttpResponse:
    overview = Overview(access.get(_user(request), pk), _user(request))
    pieces = {"host-head": "hosts/_head.html", "host-body": "hosts/_overview.html"}
    context = {"o": overview, "host": overview.host, "tab": "overview", "ranges": _ranges(), "range": series.range_of(request.GET.get("range", ""))}
    return answers.page(request, "hosts/host.html", context, pieces)


@require_GET
def log(request: HttpRequest, pk: int) -> HttpResponse:
    overview = Overview(access.get(_user(request), pk), _user(request))
    context = {"o": overview, "host": overview.host, "tab": "log", "lines": overview.log(_LOG_LINES)}
    return answers.page(request, "hosts/log.html", context, {"host-head": "hosts/_head.html", "host-log": "hosts/_log.html"})


@require_GET
def metrics(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.get(_user(request), pk)
    range_ = series.range_of(request.GET.get("range", ""))
    return JsonResponse(series.chart("host", found.pk, found.samples.all(), range_, memory_bytes=found.memory_bytes))


@require_http_methods(["GET", "POST"])
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """The connection: its test, its keys. A POST tests again."""
    if request.method == "POST":
        found = access.get(_user(request), pk, Role.MANAGER)
        job = actions.test(found, _actor(request))
        return answers.done(request, reverse("hosts:test", args=[pk]), job_id=job.pk)
    overview = Overview(access.get(_user(request), pk), _user(request))
    context = {"o": overview, "host": overview.host, "tab": "connection"}
    return answers.page(request, "hosts/connection.html", context, {"host-head": "hosts/_head.html", "connection": "hosts/_connection.html"})


# ── adding and changing ──


@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    _administrators_only(request)
    form = HostForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = actions.add(form.draft(), _actor(request))
        except actions.Refused as exc:
            form.refuse(exc)
        else:
            actions.test(added, _actor(request))
            return answers.done(request, reverse("hosts:test", args=[added.pk]), go=True)
    return _form_page(request, form, None)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """An edit of what somebody else changed meanwhile is refused, and says what it is now."""
    found = access.get(_user(request), pk)
    _administrators_only(request)
    form = HostForm(request.POST or None, host=found)
    if request.method == "POST" and form.is_valid():
        try:
            changed = _edit(found, form, _actor(request))
        except actions.Refused as exc:
            form.refuse(exc)
        else:
            tested = changed.revision != found.revision
            if tested:
                actions.test(changed, _actor(request))
            return answers.done(request, reverse("hosts:test" if tested else "hosts:host", args=[pk]), go=True)
    return _form_page(request, form, found)


@require_http_methods(["GET", "POST"])
def key(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirm the host key that was shown. A replaced key needs the word that it was compared, too."""
    if request.method == "GET":
        return test(request, pk)
    found = access.get(_user(request), pk)
    _administrators_only(request)
    back = reverse("hosts:test", args=[pk])
    if found.host_key and request.POST.get("compared") != "yes":
        return answers.refused(request, _("Say that you compared the new fingerprint on the host itself."), back, status=422)
    try:
        confirmed = actions.confirm_key(found, request.POST.get("fingerprint", ""), _actor(request))
        job = actions.test(confirmed, _actor(request))
    except Refused as exc:
        return answers.refused(request, str(exc), back)
    return answers.done(request, back, job_id=job.pk)


@require_POST
def enable(request: HttpRequest, pk: int) -> HttpResponse:
    return _switch(request, pk, actions.enable)


@require_POST
def disable(request: HttpRequest, pk: int) -> HttpResponse:
    return _switch(request, pk, actions.disable)


@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.get(_user(request), pk)
    _administrators_only(request)
    problem = ""
    if request.method == "POST":
        try:
            actions.remove(found, request.POST.get("typed", ""), _actor(request))
        except Refused as exc:
            problem = str(exc)
        else:
            return answers.done(request, reverse("hosts:list"), words=_("%(name)s was removed.") % {"name": found.name}, go=True)
    if problem and answers.is_async(request):
        return answers.refused(request, problem, "", status=422)
    overview = Overview(found, _user(request))
    context = {"o": overview, "host": found, "problem": problem, "typed": request.POST.get("typed", "")}
    return answers.page(request, "hosts/remove.html", context, {"dialog": "hosts/_remove.html"}, status=422 if problem else 200)


@require_POST
def try_it(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a first, tiny machine on a host that has none."""
    found = access.get(_user(request), pk, Role.MANAGER)
    try:
        job = guests.ask().try_it(_user(request), found)
    except Refused as exc:
        return answers.refused(request, str(exc), found.get_absolute_url())
    return answers.done(request, found.get_absolute_url(), job_id=job.pk)


# ── the steps ──


def _edit(found: Host, form: HostForm, actor: Actor) -> Host:
    """Compare-and-swap on the revision that the form was made of."""
    seen = Host.objects.get(pk=found.pk)
    seen.revision = form.cleaned_data["revision"] or 0
    try:
        return actions.edit(seen, form.draft(), actor)
    except Stale:
        form.now_is(found)
        raise


def _form_page(request: HttpRequest, form: HostForm, found: Host | None) -> HttpResponse:
    public = keys.portal_key().public
    context = {"form": form, "host": found, "fields_of": FIELDS_OF, "public_key": public, "authorize": keys.authorize_command(public)}
    status = 422 if form.is_bound else 200
    if form.is_bound and answers.is_async(request):
        return render(request, "hosts/_form.html", context, status=status)
    return answers.page(request, "hosts/form.html", context, status=status)


def _switch(request: HttpRequest, pk: int, action: Callable[[Host, Actor], Host]) -> HttpResponse:
    found = access.get(_user(request), pk, Role.MANAGER)
    try:
        action(found, _actor(request))
    except Refused as exc:
        return answers.refused(request, str(exc), found.get_absolute_url())
    return answers.done(request, found.get_absolute_url())


def _administrators_only(request: HttpRequest) -> None:
    if not access.may_administer(_user(request)):
        raise PermissionDenied(_("Only administrators add, edit and remove hosts."))


def _ranges() -> list[Any]:
    return [series.RANGES[name] for name in ("1h", "24h", "30d")]


def _actor(request: HttpRequest) -> Actor:
    return Actor(_user(request), request)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)  # accounts.middleware lets nobody else in
