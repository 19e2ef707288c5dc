"""Pages by which pools are made, built, changed and removed. None of them reaches a host."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import User
from accounts.roles import Role
from hosts import access as host_access
from hosts.models import Host
from hosts.storage import access
from hosts.storage.asking import answer_form, show_form
from hosts.storage.models import Pool
from hosts.storage.pools import actions, difference
from hosts.storage.pools.actions import Stale
from hosts.storage.pools.forms import BuildForm, NewPoolForm, PasswordForm, RemoveForm, XmlForm
from jobs.models import Job
from jobs.submit import Refused
from live import answers
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.pools import KINDS, PoolKind, pool_kind

_SEARCH = f"{actions.KIND}find"
_MOST_FOUND = 200

# ── a new one ──


@require_GET
def choose_host(request: HttpRequest) -> HttpResponse:
    """On which host; those that the person manages."""
    hosts = host_access.visible(_user(request), Role.MANAGER).order_by("name")
    if (asked := request.GET.get("host", "")).isdigit() and (found := hosts.filter(pk=int(asked[:18])).first()):
        return redirect("storage:new-pool", found.pk)
    return answers.page(request, "storage/choose_host.html", {"hosts": hosts}, {"dialog": "storage/_choose_host.html"})


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the form of a kind, filled by the address. POST: make it, or (`do` find) ask the host for sources."""
    host = host_access.get(_user(request), pk, Role.MANAGER)
    kind = _kind(request.POST.get("kind") or request.GET.get("kind") or "dir")
    if request.method == "GET":
        known = {"name", *(each.name for each in kind.fields if each.type != "secret")}
        form = NewPoolForm(kind, host, initial={name: str(value)[:1000] for name, value in request.GET.items() if name in known})
        return _show_new(request, form, _search_of(request.GET.get("found", ""), host, kind))
    form = NewPoolForm(kind, host, request.POST)
    if request.POST.get("do") == "find":
        return _search(request, form)
    if not form.is_valid():
        return _show_new(request, form, status=422)
    try:
        job = actions.define(_user(request), host, form.wish())
    except Refused as exc:
        form.add_error(None, str(exc))
        return _show_new(request, form, status=409)
    return answers.done(request, reverse("storage:of-host", args=[pk]), words=_("The pool is being made."), job_id=job.pk, go=True)


@require_GET
def found(request: HttpRequest, pk: int, job: int) -> HttpResponse:
    """What a search has found, or how it goes."""
    host = host_access.get(_user(request), pk, Role.MANAGER)
    search = Job.objects.filter(pk=job, kind=_SEARCH, host_id=host.pk).first()
    if search is None:
        raise Http404
    form = NewPoolForm(_kind(search.params["kind"]), host, initial={name: str(value) for name, value in request.GET.items()})
    if "WV-Fragment" not in request.headers:
        return redirect(_address(form, search))
    response = render(request, "storage/_found.html", _found_context(form, search))
    response.headers["Cache-Control"] = "no-store"
    return response


def _search(request: HttpRequest, form: NewPoolForm) -> HttpResponse:
    asked = form.asked
    try:
        job = actions.find(_user(request), form.host, form.kind, asked)
    except Refused as exc:
        if answers.is_async(request):
            return render(request, "storage/_found.html", {"problem": str(exc)})
        form.is_valid()
        form.add_error(None, str(exc))
        return _show_new(request, form, status=409)
    if not answers.is_async(request):
        return redirect(_address(form, job))
    response = render(request, "storage/_found.html", _found_context(form, job))
    response.headers["WV-Job"] = str(job.pk)
    return response


def _search_of(number: str, host: Host, kind: PoolKind) -> Job | None:
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    return Job.objects.filter(pk=int(number), kind=_SEARCH, host_id=host.pk, params__kind=kind.name).first()


def _found_context(form: NewPoolForm, search: Job | None) -> dict[str, Any]:
    """`found`: what to call each, what lies beside it, and the address that fills the form with it."""
    rows = []
    for values in (search.result or {}).get("found", [])[:_MOST_FOUND] if search else ():
        filled = {**form.asked, **values, "kind": form.kind.name}
        words = values.get("directory") or values.get("device") or values.get("source") or "–"
        beside = ", ".join(values.get("devices", "").split())
        rows.append((words, beside, "?" + urlencode({name: value for name, value in filled.items() if value})))
    where = reverse("storage:found-sources", args=[form.host.pk, search.pk]) if search else ""
    return {"search": search, "found": rows, "src": f"{where}?{urlencode(form.asked)}" if where else "", "host": form.host}


def _address(form: NewPoolForm, search: Job) -> str:
    return f"{reverse('storage:new-pool', args=[form.host.pk])}?{urlencode({**form.asked, 'kind': form.kind.name, 'found': search.pk})}"


def _show_new(request: HttpRequest, form: NewPoolForm, search: Job | None = None, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "kind": form.kind, "kinds": KINDS.values(), "why_not": actions.host_refusal(form.host)} | _found_context(form, search)
    if form.is_bound and answers.is_async(request):
        return render(request, "storage/_new_pool.html", context, status=status)
    return answers.page(request, "storage/new_pool.html", context, {"new-pool": "storage/_new_pool.html"}, status=status)


# ── those that are there ──


@require_http_methods(["GET", "POST"])
def build(request: HttpRequest, pk: int) -> HttpResponse:
    pool = access.get(_user(request), pk, Role.MANAGER)
    form = BuildForm(request.POST if request.method == "POST" else None, name=pool.name)
    context = {"pool": pool, "kind": KINDS.get(pool.kind), "why_not": actions.build_refusal(pool)}
    if request.method == "POST" and form.is_valid():
        return answer_form(
            request, form, "build", context, pool.get_absolute_url(), lambda: actions.build(_user(request), pool, form.cleaned_data["overwrite"])
        )
    return show_form(request, form, "build", context)


@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    pool = access.get(_user(request), pk, Role.MANAGER)
    form = RemoveForm(request.POST if request.method == "POST" else None, name=pool.name)
    context = {"pool": pool, "kind": KINDS.get(pool.kind), "why_not": actions.remove_refusal(pool), "used": actions.used_in(pool, _user(request))}
    context["keeps"] = actions.contents_refusal(pool, _user(request))
    if request.method == "POST" and form.is_valid():
        contents = form.cleaned_data["contents"] == "delete"
        return answer_form(request, form, "remove", context, pool.get_absolute_url(), lambda: actions.remove(_user(request), pool, contents))
    return show_form(request, form, "remove", context)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest, pk: int) -> HttpResponse:
    pool = access.get(_user(request), pk, Role.MANAGER)
    form = PasswordForm(request.POST if request.method == "POST" else None, kind=KINDS.get(pool.kind))
    context = {"pool": pool, "why_not": actions.password_refusal(pool)}
    if request.method == "POST" and form.is_valid():
        plain = form.cleaned_data["password"]
        return answer_form(request, form, "password", context, pool.get_absolute_url(), lambda: actions.set_password(_user(request), pool, plain))
    return show_form(request, form, "password", context)


@require_http_methods(["GET", "POST"])
def xml(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the definition (for operators to read). POST: what would change, and with `confirmed` do it."""
    pool = access.get(_user(request), pk, Role.OPERATOR if request.method == "GET" else Role.MANAGER)
    if request.method == "GET":
        return _show_xml(request, pool, XmlForm(initial={"xml": pool.xml, "based_on": tree.digest(pool.xml)}))
    form = XmlForm(request.POST)
    if not form.is_valid():
        return _show_xml(request, pool, form, status=422)
    text, based_on = form.cleaned_data["xml"], form.cleaned_data["based_on"]
    try:
        if "confirmed" in request.POST:
            job = actions.redefine(_user(request), pool, text, based_on)
            return answers.done(request, pool.get_absolute_url(), words=_("The definition is being saved."), job_id=job.pk)
        wanted = actions.checked_xml(pool, text)
    except Stale as exc:
        form.add_error(None, _("%(words)s Nothing was done. Below is what yours would now change; applying it again replaces theirs.") % {"words": exc})
        form.data = {**form.data.dict(), "based_on": tree.digest(pool.xml)}  # type: ignore[attr-defined]
        return _show_xml(request, pool, form, changes=difference.between(pool.xml, text), status=409)
    except Invalid as exc:
        form.add_error("xml", str(exc))
        return _show_xml(request, pool, form, status=422)
    except Refused as exc:
        form.add_error(None, str(exc))
        return _show_xml(request, pool, form, status=409)
    return _show_xml(request, pool, form, changes=difference.between(pool.xml, wanted), asked=True)


def _show_xml(request: HttpRequest, pool: Pool, form: XmlForm, *, status: int = 200, **more: Any) -> HttpResponse:
    changes_it = access.may(_user(request), pool, Role.MANAGER)
    context = {"pool": pool, "form": form, "changes_it": changes_it, "why_not": actions.edit_refusal(pool)} | more
    if form.is_bound and answers.is_async(request):
        return render(request, "storage/_xml.html", context, status=status)
    return answers.page(request, "storage/xml.html", context, {"dialog": "storage/_xml.html"}, status=status)


def _kind(name: str) -> PoolKind:
    try:
        return pool_kind(name)
    except Invalid:
        raise Http404 from None


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)  # accounts.middleware lets nobody else in
