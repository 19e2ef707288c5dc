"""Pages of networks. None of them reaches a host: they show what the watcher wrote and submit jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django import forms as django_forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from accounts.roles import Role
from hosts import access as host_access
from hosts.networks import access, actions
from hosts.networks.forms import NetworkForm, PartForm, TypedForm
from hosts.networks.listing import NetworkPage, NetworkQuery
from hosts.networks.models import Network
from hosts.networks.page import Page
from hosts.overview import Overview
from jobs.models import Job
from jobs.submit import Refused
from live import answers
from live.wishes import wish
from virt.errors import VirtError
from virt.xml.edit.network import Edit
from virt.xml.networks import MODES, PARTS, Part

# ── lists ──


@require_GET
def networks(request: HttpRequest) -> HttpResponse:
    page = NetworkPage(NetworkQuery.of(request.GET), _user(request))
    return answers.page(request, "networks/networks.html", {"page": page, "query": page.query}, {"networks": "networks/_networks.html"})


@require_GET
def of_host(request: HttpRequest, pk: int) -> HttpResponse:
    """The host's tab."""
    overview = Overview(host_access.get(_user(request), pk), _user(request))
    page = NetworkPage(NetworkQuery.of(request.GET), _user(request), overview.host)
    if "WV-Fragment" not in request.headers:
        wish(pk, "networks")
        wish(pk, "dhcp")
    context = {"o": overview, "host": overview.host, "tab": "networks", "page": page, "query": page.query}
    return answers.page(request, "networks/of_host.html", context, {"host-head": "hosts/_head.html", "networks": "networks/_networks.html"})


# ── one network ──


@require_GET
def network(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.get(_user(request), pk)
    if "WV-Fragment" not in request.headers:
        wish(found.host_id, "networks")
        wish(found.host_id, "dhcp")
    page = Page(found, _user(request))
    context = {"network": found, "host": found.host, "n": page}
    pieces = {"network-head": "networks/_head.html", "network-body": "networks/_body.html", "network-parts": "networks/_parts.html"}
    pieces |= {"network-leases": "networks/_leases.html", "network-cards": "networks/_cards.html"}
    return answers.page(request, "networks/network.html", context, pieces)


@require_GET
def xml(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.get(_user(request), pk, Role.OPERATOR)
    return answers.page(request, "networks/xml.html", {"network": found, "host": found.host}, {"dialog": "networks/_xml.html"})


@require_POST
def power(request: HttpRequest, pk: int) -> HttpResponse:
    """Starting asks nothing back; stopping has a page of its own."""
    found = access.get(_user(request), pk, Role.MANAGER)
    if request.POST.get("action") != "start":
        return answers.refused(request, _("There is no such action."), found.get_absolute_url(), status=400)
    return _submitted(request, found.get_absolute_url(), lambda: actions.start(_user(request), found))


@require_POST
def autostart(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.get(_user(request), pk, Role.MANAGER)
    return _submitted(request, found.get_absolute_url(), lambda: actions.set_autostart(_user(request), found, request.POST.get("on") == "1"))


@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """With the machines that lose their link."""
    return _asked_back(request, pk, "stop", actions.stop)


@require_http_methods(["GET", "POST"])
def restart(request: HttpRequest, pk: int) -> HttpResponse:
    return _asked_back(request, pk, "restart", actions.restart)


@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    found, context = _for_change(request, pk, "delete")
    form = TypedForm(request.POST if request.method == "POST" else None, name=found.name)
    if request.method == "POST" and form.is_valid():
        return _from_form(request, form, "delete", context, _tab(found.host_id), lambda: actions.delete(_user(request), found), go=True)
    return _form(request, form, "delete", context)


# ── making and changing ──


@require_GET
def choose_host(request: HttpRequest) -> HttpResponse:
    """On which host; those that the person manages."""
    hosts = host_access.visible(_user(request), Role.MANAGER).order_by("name")
    if (asked := request.GET.get("host", "")).isdigit() and (found := hosts.filter(pk=int(asked[:18])).first()):
        return redirect("networks:create", found.pk)
    return answers.page(request, "networks/choose_host.html", {"hosts": hosts}, {"dialog": "networks/_choose_host.html"})


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, pk: int) -> HttpResponse:
    host = host_access.get(_user(request), pk, Role.MANAGER)
    form = NetworkForm(request.POST if request.method == "POST" else None, host=host, initial=_plain(request))
    context = {"host": host, "why_not": actions.host_refusal(host), "is_page": True}
    if request.method == "POST" and form.is_valid():
        cleaned = form.cleaned_data
        wanted = {"start": cleaned["start"], "autostart": cleaned["autostart"]}
        deed = lambda: actions.create(_user(request), host, cleaned["name"], cleaned["mode"], form.values(cleaned), **wanted)  # noqa: E731
        return _from_form(request, form, "settings", context, _tab(pk), deed, go=True)
    return _form(request, form, "settings", context)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    found, context = _for_change(request, pk, "change")
    if found.mode not in MODES:
        raise Http404
    form = NetworkForm(request.POST if request.method == "POST" else None, host=found.host, network=found)
    context |= {"host": found.host, "is_page": True}
    if request.method == "POST" and form.is_valid():
        cleaned = form.cleaned_data
        deed = lambda: actions.change(_user(request), found, [form.edit(cleaned)], cleaned["based_on"])  # noqa: E731
        return _from_form(request, form, "settings", context, found.get_absolute_url(), deed, go=True)
    return _form(request, form, "settings", context)


@require_http_methods(["GET", "POST"])
def add_part(request: HttpRequest, pk: int, part: str) -> HttpResponse:
    found, context = _for_change(request, pk, "change")
    described = _part(found, part)
    form = PartForm(request.POST if request.method == "POST" else None, network=found, part=described, initial=_plain(request))
    return _part_form(request, form, found, context)


@require_http_methods(["GET", "POST"])
def edit_part(request: HttpRequest, pk: int, part: str, place: int) -> HttpResponse:
    found, context = _for_change(request, pk, "change")
    form = PartForm(request.POST if request.method == "POST" else None, network=found, part=_part(found, part), place=place)
    if form.node is None:
        raise Http404
    return _part_form(request, form, found, context)


@require_http_methods(["GET", "POST"])
def remove_part(request: HttpRequest, pk: int, part: str, place: int) -> HttpResponse:
    """Asked back; what is meant is named by the definition that was looked at."""
    found, context = _for_change(request, pk, "change")
    form = PartForm(None, network=found, part=_part(found, part), place=place)
    if form.node is None:
        raise Http404
    context |= {"part": form.part, "place": place, "name": form.part.name_of(form.node), "digest": found.digest}
    form = django_forms.Form(request.POST if request.method == "POST" else None)  # type: ignore[assignment]
    if request.method == "POST" and form.is_valid():
        deed = lambda: actions.change(_user(request), found, [Edit("remove", part, place)], request.POST.get("based_on", ""))  # noqa: E731
        return _from_form(request, form, "remove_part", context, found.get_absolute_url(), deed)
    return _form(request, form, "remove_part", context)


# ── the steps ──


def _asked_back(request: HttpRequest, pk: int, deed: str, ask: Callable[[User, Network], Job]) -> HttpResponse:
    found, context = _for_change(request, pk, deed)
    form = django_forms.Form(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        return _from_form(request, form, deed, context, found.get_absolute_url(), lambda: ask(_user(request), found))
    return _form(request, form, deed, context)


def _part_form(request: HttpRequest, form: PartForm, found: Network, context: dict[str, Any]) -> HttpResponse:
    context |= {"part": form.part, "place": form.place}
    if request.method == "POST" and form.is_valid():
        deed = lambda: actions.change(_user(request), found, [form.edit()], form.cleaned_data["based_on"])  # noqa: E731
        return _from_form(request, form, "part", context, found.get_absolute_url(), deed)
    return _form(request, form, "part", context)


def _part(found: Network, name: str) -> Part:
    if found.mode not in MODES or name not in MODES[found.mode].parts:
        raise Http404
    return PARTS[name]


def _for_change(request: HttpRequest, pk: int, deed: str) -> tuple[Network, dict[str, Any]]:
    found = access.get(_user(request), pk, Role.MANAGER)
    page = Page(found, _user(request))
    return found, {"network": found, "host": found.host, "n": page, "row": page.row, "why_not": actions.refusal(found, deed)}


def _submitted(request: HttpRequest, url: str, ask: Callable[[], Job]) -> HttpResponse:
    try:
        job = ask()
    except Refused as exc:
        return answers.refused(request, str(exc), url)
    return answers.done(request, url, job_id=job.pk)


def _from_form(
    request: HttpRequest, form: django_forms.Form, deed: str, context: dict[str, Any], url: str, ask: Callable[[], Job], *, go: bool = False
) -> HttpResponse:
    try:
        job = ask()
    except (Refused, VirtError) as exc:
        form.add_error(None, str(exc))
        return _form(request, form, deed, context, status=409)
    return answers.done(request, url, job_id=job.pk, go=go)


def _form(request: HttpRequest, form: django_forms.Form, deed: str, context: dict[str, Any], *, status: int = 0) -> HttpResponse:
    """The form in a dialog or as a page; sent by a script and refused, the form alone again."""
    status = status or (422 if form.is_bound else 200)
    context = {**context, "form": form, "piece": f"networks/_{deed}.html"}
    if form.is_bound and answers.is_async(request):
        return render(request, context["piece"], context, status=status)
    return answers.page(request, "networks/form.html", context, {"dialog": context["piece"]}, status=status)


def _plain(request: HttpRequest) -> dict[str, str]:
    """What the address brings along to begin with."""
    return {name: value[:255] for name, value in request.GET.items() if isinstance(value, str)}


def _tab(host_id: int) -> str:
    return reverse("networks:of-host", args=[host_id])


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)  # accounts.middleware lets nobody else in
