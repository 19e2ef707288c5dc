"""Pages of pools and volumes. None of them reaches a host: they show what the watcher wrote and submit jobs."""

from __future__ import annotations

from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from accounts.roles import Role
from hosts import access as host_access
from hosts.overview import Overview
from hosts.storage import access, actions, users
from hosts.storage.asking import answer_form, show_form
from hosts.storage.forms import CloneForm, ResizeForm, TypedForm, VolumeForm, WipeForm
from hosts.storage.listing import PoolPage, PoolQuery, PoolRow, VolumePage, VolumeQuery
from hosts.storage.models import Place, Pool, Volume
from hosts.storage.pools import coming
from hosts.storage.pools.actions import build_refusal, password_refusal, remove_refusal
from hosts.storage.transfers.models import still_coming
from jobs import submit as jobs
from jobs.models import Job
from jobs.submit import Refused
from live import answers
from live.wishes import wish
from virt.xml.pools import KINDS, TAKE_FILES, volume_formats

_MOST_AT_ONCE = 1_000
_MOST_JOBS = 8


# ── pools ──


@require_GET
def pools(request: HttpRequest) -> HttpResponse:
    page = PoolPage(PoolQuery.of(request.GET), _user(request))
    return answers.page(request, "storage/pools.html", {"page": page, "query": page.query}, {"pools": "storage/_pools.html"})


@require_GET
def of_host(request: HttpRequest, pk: int) -> HttpResponse:
    """The host's tab."""
    overview = Overview(host_access.get(_user(request), pk), _user(request))
    page = PoolPage(PoolQuery.of(request.GET), _user(request), overview.host)
    wish(pk, "pool")
    context = {"o": overview, "host": overview.host, "tab": "storage", "page": page, "query": page.query, "coming": coming.of(overview.host)}
    return answers.page(request, "storage/of_host.html", context, {"host-head": "hosts/_head.html", "pools": "storage/_pools.html"})


@require_GET
def isos(request: HttpRequest) -> HttpResponse:
    """Installation images of all pools."""
    query = VolumeQuery.of(request.GET)
    volumes = VolumeQuery(kind="iso").chosen(access.volumes(_user(request)).filter(~still_coming()))
    page = VolumePage(query, volumes, _user(request))
    return answers.page(request, "storage/isos.html", {"page": page, "query": query}, {"volumes": "storage/_isos.html"})


@require_GET
def pool(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.get(_user(request), pk)
    if "WV-Fragment" not in request.headers:
        wish(found.host_id, "pool")
    pieces = {"pool-head": "storage/_pool_head.html", "pool-facts": "storage/_pool_facts.html", "volumes": "storage/_volumes.html"}
    return answers.page(request, "storage/pool.html", _pool_context(request, found), pieces)


@require_POST
def pool_power(request: HttpRequest, pk: int) -> HttpResponse:
    """`action`: start, stop, refresh."""
    found = access.get(_user(request), pk, Role.MANAGER)
    deeds = {"start": actions.start, "stop": actions.stop, "refresh": actions.refresh}
    deed = deeds.get(request.POST.get("action", ""))
    if deed is None:
        return answers.refused(request, _("There is no such action."), found.get_absolute_url(), status=400)
    return _submitted(request, found.get_absolute_url(), lambda: deed(_user(request), found))


@require_POST
def pool_autostart(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.get(_user(request), pk, Role.MANAGER)
    return _submitted(request, found.get_absolute_url(), lambda: actions.set_autostart(_user(request), found, request.POST.get("on") == "1"))


# ── volumes ──


@require_GET
def volume(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """One that is not there (yet, or any more) has a page as long as jobs were about it."""
    found = access.get(_user(request), pk)
    context = _volume_context(request, found, name)
    return answers.page(request, "storage/volume.html", context, {"volume": "storage/_volume.html"})


@require_GET
def place(request: HttpRequest, pk: int) -> HttpResponse:
    """The subject of jobs, as a page."""
    found = Place.objects.filter(pk=pk, pool__in=access.visible(_user(request), gone=True)).first()
    if found is None:
        raise Http404
    return redirect(found.get_absolute_url())


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, pk: int) -> HttpResponse:
    found = access.get(_user(request), pk, Role.MANAGER)
    form = VolumeForm(request.POST if request.method == "POST" else None, pool=found)
    context = {"pool": found, "why_not": actions.pool_refusal(found, "new")}
    if request.method == "POST" and form.is_valid():
        return answer_form(request, form, "create", context, found.get_absolute_url(), lambda: actions.create(_user(request), found, form.spec()))
    context["bases"] = found.volumes.filter(format__in=("qcow2", "raw"), backing_path="").values_list("name", flat=True)[:200]
    return show_form(request, form, "create", context)


@require_http_methods(["GET", "POST"])
def clone(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    found = access.volume(_user(request), pk, name, Role.MANAGER)
    form = CloneForm(request.POST if request.method == "POST" else None, volume=found)
    context = {"pool": found.pool, "volume": found, "why_not": actions.pool_refusal(found.pool, "make"), "used": users.of(found, _user(request))}
    if request.method == "POST" and form.is_valid():
        cleaned = form.cleaned_data
        return answer_form(
            request, form, "clone", context, found.get_absolute_url(), lambda: actions.clone(_user(request), found, cleaned["pool"], cleaned["name"])
        )
    return show_form(request, form, "clone", context)


@require_http_methods(["GET", "POST"])
def resize(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    found, context = _for_change(request, pk, name)
    form = ResizeForm(request.POST if request.method == "POST" else None, volume=found)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        deed = lambda: actions.resize(_user(request), found, wanted["capacity_bytes"], shrink=wanted["shrink"])  # noqa: E731
        return answer_form(request, form, "resize", context, found.get_absolute_url(), deed)
    return show_form(request, form, "resize", context)


@require_http_methods(["GET", "POST"])
def wipe(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    found, context = _for_change(request, pk, name)
    form = WipeForm(request.POST if request.method == "POST" else None, volume=found)
    if request.method == "POST" and form.is_valid():
        deed = lambda: actions.wipe(_user(request), found, form.cleaned_data["algorithm"])  # noqa: E731
        return answer_form(request, form, "wipe", context, found.get_absolute_url(), deed)
    return show_form(request, form, "wipe", context)


@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    found, context = _for_change(request, pk, name)
    form = TypedForm(request.POST if request.method == "POST" else None, name=found.name)
    if request.method == "POST" and form.is_valid():
        deed = lambda: actions.delete(_user(request), found)  # noqa: E731
        return answer_form(request, form, "delete", context, found.pool.get_absolute_url(), deed)
    return show_form(request, form, "delete", context)


@require_POST
def delete_many(request: HttpRequest, pk: int) -> HttpResponse:
    """Asked back first; then each with its own result."""
    found = access.get(_user(request), pk, Role.MANAGER)
    names = request.POST.getlist("names")[:_MOST_AT_ONCE]
    volumes = list(found.volumes.filter(name__in=names))
    for each in volumes:
        each.pool = found
    if "confirmed" not in request.POST:
        used = users.Usage([found], _user(request)).of(volumes, found)
        rows = [(each, actions.used_words(used[each.pk])) for each in volumes]
        context = {"pool": found, "rows": rows, "free": sum(1 for _each, words in rows if not words)}
        return answers.page(request, _in_dialog(request, "storage/delete_many.html"), context)
    outcomes = actions.delete_many(_user(request), found, volumes)
    context = {"pool": found, "outcomes": outcomes, "accepted": sum(1 for outcome in outcomes if outcome.job)}
    return answers.page(request, _in_dialog(request, "storage/delete_many_result.html"), context)


# ── the steps ──


def _pool_context(request: HttpRequest, found: Pool) -> dict[str, Any]:
    manages = access.may(_user(request), found, Role.MANAGER)
    page = VolumePage(VolumeQuery.of(request.GET), found.volumes.all(), _user(request), found)
    described = KINDS.get(found.kind)
    return {
        "pool": found,
        "row": PoolRow(found, manages),
        "manages": manages,
        "operates": access.may(_user(request), found, Role.OPERATOR),
        "page": page,
        "query": page.query,
        "job": jobs.active_for("pool", found.pk),
        "making": actions.making(found),
        "builds": bool(described and described.build),
        "build_refusal": build_refusal(found),
        "remove_refusal": remove_refusal(found) if manages else "",
        "has_password": not password_refusal(found),
        "makes_volumes": bool(volume_formats(found.kind)),
        "takes_files": found.kind in TAKE_FILES,
        "elsewhere": users.elsewhere(found, _user(request)),
        "deeds": [(name, words, icon, actions.pool_refusal(found, name)) for name, words, icon in _DEEDS],
    }


_DEEDS = (("start", "Start", "player-play"), ("stop", "Stop", "player-stop"), ("refresh", "Refresh", "refresh"))


def _volume_context(request: HttpRequest, found: Pool, name: str) -> dict[str, Any]:
    seen = found.volumes.filter(name=name).first()
    where = Place.objects.filter(pool=found, name=name).first()
    about = Job.objects.filter(subject_type="volume", subject_id=where.pk).order_by("-pk")[:_MOST_JOBS] if where else []
    if seen is None and not about:
        raise Http404
    used: list[users.Used] = []
    below = None
    if seen:
        seen.pool = found
        used = users.of(seen, _user(request))
        below = Volume.objects.filter(pool__host_id=found.host_id, path=seen.backing_path).first() if seen.backing_path else None
    return {
        "pool": found,
        "name": name,
        "volume": seen,
        "place": where,
        "jobs": about,
        "active": next((job for job in about if job.is_active), None),
        "used": used,
        "below": below,
        "manages": access.may(_user(request), found, Role.MANAGER),
        "why_not": actions.pool_refusal(found, "make"),
        "used_words": actions.used_words(used),
    }


def _for_change(request: HttpRequest, pk: int, name: str) -> tuple[Volume, dict[str, Any]]:
    found = access.volume(_user(request), pk, name, Role.MANAGER)
    used = users.of(found, _user(request))
    return found, {"pool": found.pool, "volume": found, "used": used, "why_not": actions.pool_refusal(found.pool, "make") or actions.used_words(used)}


def _submitted(request: HttpRequest, url: str, ask: Any) -> HttpResponse:
    try:
        job = ask()
    except Refused as exc:
        return answers.refused(request, str(exc), url)
    return answers.done(request, url, job_id=job.pk)


def _in_dialog(request: HttpRequest, template: str) -> str:
    return template.replace("storage/", "storage/_") if answers.is_async(request) else template


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)  # accounts.middleware lets nobody else in
