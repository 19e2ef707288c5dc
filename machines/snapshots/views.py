"""Pages of a machine's snapshots. Each look-up is an authorisation; what changes something becomes a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.roles import Role
from jobs.models import Job
from jobs.submit import Refused
from live import answers, wishes
from machines import access as machine_access
from machines.models import Machine
from machines.snapshots import access, actions, shown
from machines.snapshots.forms import BulkForm, CreateForm, DeleteForm, DescriptionForm, RevertForm, usual_name
from machines.snapshots.models import Picture, Snapshot
from machines.snapshots.shown import Snapshots
from machines.snapshots.tree import below
from machines.views.asking import number, user_of
from machines.views.one import context_of

_STUDY = "snapshots"
_MOST_SHOWN_RESULTS = 300


@require_GET
def snapshots(request: HttpRequest, pk: int) -> HttpResponse:
    """The tree, and the details of the one that `at` names. Somebody looks, so the host is looked at again soon."""
    user = user_of(request)
    machine = machine_access.get(user, pk)
    if "WV-Fragment" not in request.headers:
        wishes.wish(machine.host_id, _STUDY)
    context = _context(request, machine) | {"at": number(request.GET.get("at", ""))}
    pieces = {"machine-head": "machines/_head.html", "snapshots": "snapshots/_snapshots.html"}
    return answers.page(request, "snapshots/snapshots.html", context, pieces)


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one."""
    user = user_of(request)
    machine = machine_access.get(user, pk, Role.OPERATOR)
    if request.method == "GET":
        return _create_form(request, machine, CreateForm(machine))
    form = CreateForm(machine, request.POST)
    if not form.is_valid():
        return _create_form(request, machine, form, status=400)
    words = _("Snapshot %(name)s of %(machine)s is being taken.") % {"name": form.wish.name, "machine": machine.name}
    return _submitted(request, machine, lambda: actions.create(user, machine, form.wish), words)


@require_http_methods(["GET", "POST"])
def revert(request: HttpRequest, pk: int, snapshot: int) -> HttpResponse:
    """GET: what is lost. POST: go back."""
    user = user_of(request)
    found = access.get(user, pk, snapshot, Role.OPERATOR)
    if request.method == "GET":
        return _revert_form(request, found, RevertForm(initial={"keep": True, "run": found.machine.is_active}))
    form = RevertForm(request.POST)
    if not form.is_valid():
        return _revert_form(request, found, form, status=400)
    data = form.cleaned_data
    words = _("%(machine)s goes back to %(name)s.") % {"name": found.name, "machine": found.machine.name}
    return _submitted(request, found.machine, lambda: actions.revert(user, found, run=data["run"], first=data["first"]), words)


@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, pk: int, snapshot: int) -> HttpResponse:
    """GET: what that means. POST: delete it, perhaps with what came after."""
    user = user_of(request)
    found = access.get(user, pk, snapshot, Role.OPERATOR)
    if request.method == "GET":
        context = _context(request, found.machine) | {"snapshot": found, "after": below(found, found.machine.snapshots.defer("xml"))}
        return answers.page(request, "snapshots/delete.html", context, {"dialog": "snapshots/_delete.html"})
    form = DeleteForm(request.POST)
    form.is_valid()
    words = _("Snapshot %(name)s of %(machine)s is being deleted.") % {"name": found.name, "machine": found.machine.name}
    children = bool(form.cleaned_data.get("children"))
    return _submitted(request, found.machine, lambda: actions.delete(user, found, children=children), words)


@require_http_methods(["GET", "POST"])
def describe(request: HttpRequest, pk: int, snapshot: int) -> HttpResponse:
    """Its description."""
    user = user_of(request)
    found = access.get(user, pk, snapshot, Role.OPERATOR)
    form = DescriptionForm(request.POST if request.method == "POST" else None, initial={"description": found.description})
    if request.method == "POST" and form.is_valid():
        words = _("The description is being written.")
        return _submitted(request, found.machine, lambda: actions.describe(user, found, form.cleaned_data["description"]), words)
    context = _context(request, found.machine) | {"snapshot": found, "form": form}
    status = 400 if request.method == "POST" else 200
    return answers.page(request, _in_dialog(request, "snapshots/describe.html"), context, {"dialog": "snapshots/_describe.html"}, status=status)


@require_POST
def merge(request: HttpRequest, pk: int) -> HttpResponse:
    """What earlier ones left."""
    user = user_of(request)
    machine = machine_access.get(user, pk, Role.OPERATOR)
    return _submitted(request, machine, lambda: actions.merge(user, machine), _("Merging begins."))


@require_GET
def picture(request: HttpRequest, pk: int, snapshot: int) -> HttpResponse:
    """The screen when it was taken."""
    found = access.get(user_of(request), pk, snapshot)
    kept = Picture.objects.filter(machine=found.machine, name=found.name).first()
    if kept is None:
        raise Http404
    return HttpResponse(bytes(kept.image), content_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@require_http_methods(["GET", "POST"])
def bulk(request: HttpRequest) -> HttpResponse:
    """Of many machines, with a result for each. The list's selection is sent here first without a name: then it is asked for."""
    user = user_of(request)
    form = BulkForm(request.POST)
    chosen = form.query.machines(user) if form.query else machine_access.visible(user).filter(pk__in=form.ids)
    context: dict[str, Any] = {"form": form, "ids": [] if form.query else sorted(form.ids), "count": chosen.count()}
    context["names"] = list(chosen.values_list("name", flat=True)[:12])
    if not form.is_bound or not form.is_valid():
        status = 400 if form.is_bound else 200
        return answers.page(request, _in_dialog(request, "snapshots/bulk.html"), context, {"dialog": "snapshots/_bulk.html"}, status=status)
    try:
        outcomes = actions.create_for_many(user, chosen, form.wish)
    except Refused as exc:
        return answers.refused(request, str(exc), reverse("machines:list"))
    accepted = [outcome.job for outcome in outcomes if outcome.job]
    refused = [outcome for outcome in outcomes if outcome.refused]
    context |= {
        "accepted": len(accepted),
        "refused": refused[:_MOST_SHOWN_RESULTS],
        "refused_count": len(refused),
        "batch": accepted[0].batch if accepted else "",
    }
    return answers.page(request, _in_dialog(request, "snapshots/bulk_result.html"), context)


def _submitted(request: HttpRequest, machine: Machine, submit: Callable[[], Job], words: str) -> HttpResponse:
    page = reverse("snapshots:list", args=[machine.pk])
    try:
        job = submit()
    except Refused as exc:
        return answers.refused(request, str(exc), page)
    return answers.done(request, page, words=words, job_id=job.pk)


def _context(request: HttpRequest, machine: Machine) -> dict[str, Any]:
    at = number(request.GET.get("at", ""))
    return context_of(request, machine, "snapshots") | {"snaps": Snapshots(machine, user_of(request), at), "why_not": actions.refusal(machine)}


def _create_form(request: HttpRequest, machine: Machine, form: CreateForm, *, status: int = 200) -> HttpResponse:
    context = _context(request, machine) | {"form": form}
    template = _in_dialog(request, "snapshots/create.html")
    return answers.page(request, template, context, {"dialog": "snapshots/_create.html"}, status=status)


def _revert_form(request: HttpRequest, snapshot: Snapshot, form: RevertForm, *, status: int = 200) -> HttpResponse:
    context = _context(request, snapshot.machine) | {
        "snapshot": snapshot,
        "form": form,
        "first": form.data.get("first") or f"{usual_name()}-before-going-back",
        "detached": shown.disks_lost(snapshot.machine, snapshot),
    }
    template = _in_dialog(request, "snapshots/revert.html")
    return answers.page(request, template, context, {"dialog": "snapshots/_revert.html"}, status=status)


def _in_dialog(request: HttpRequest, template: str) -> str:
    """Sent by a script the answer is shown in the dialog: the piece without the page around it."""
    return template.replace("snapshots/", "snapshots/_", 1) if answers.is_async(request) else template
