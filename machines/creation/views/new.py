"""The page "New machine": one form, one address that keeps what was typed."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import User
from jobs.models import Job
from jobs.submit import Refused
from live import answers
from machines.access import creates_anywhere
from machines.creation import access, actions, page
from machines.creation.actions import Wanted
from machines.creation.forms import NewMachineForm
from machines.creation.page import NewMachine
from machines.creation.wishes import BUSES, NIC_MODELS, Wrong, order_of
from machines.models import Machine
from machines.views.asking import user_of
from virt.errors import Invalid

_MAKES = ("create", "start")
_PIECES = {"new-machine": "creation/_new.html"}


@sensitive_post_parameters("password", "user_data", "xml")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """GET: the form, filled by the address. POST: make what it says (`do` create or start), or show it again with what its button changed."""
    user = user_of(request)
    if not creates_anywhere(user):
        raise PermissionDenied("This needs the role manager on a host.")
    if request.method == "GET":
        return _show(request, NewMachine(user, NewMachineForm(page.defaults(user, request.GET))))
    if request.POST.get("do") in _MAKES:
        return _make(request, user)
    return _show(request, NewMachine(user, NewMachineForm(page.edited(user, request.POST))))


@require_GET
def creation(request: HttpRequest, pk: int) -> HttpResponse:
    """One machine on its way, and the machine once it is there."""
    found = access.get(user_of(request), pk)
    machine = Machine.objects.filter(host=found.host, uuid=found.uuid, gone_at=None).first()
    kinds = ("machines.creation.create", "machines.creation.clean_up")
    job = Job.objects.filter(kind__in=kinds, subject_type="creation", subject_id=found.pk).first()
    context = {"creation": found, "machine": machine, "job": job}
    return answers.page(request, "creation/creation.html", context, {"creation": "creation/_creation.html"})


def _make(request: HttpRequest, user: User) -> HttpResponse:
    form = NewMachineForm(request.POST)
    shown = NewMachine(user, form, shows_errors=True)
    wanted = _wanted(form)
    if not wanted:
        return _refused(request, shown)
    batch = uuid.uuid4().hex
    try:
        outcomes = actions.create(user, wanted, batch=batch)
    except Refused as exc:
        form.add_error(None, str(exc))
        return _refused(request, shown)
    accepted = [one for one in outcomes if one.job]
    if len(outcomes) == 1 and not accepted:
        form.add_error("name" if "already" in outcomes[0].refused else None, outcomes[0].refused)
        return _refused(request, shown)
    if len(outcomes) == 1 and outcomes[0].creation and outcomes[0].job:
        words = _("%(name)s is being made.") % {"name": outcomes[0].name}
        return answers.done(request, outcomes[0].creation.get_absolute_url(), words=words, job_id=outcomes[0].job.pk, go=True)
    if len(accepted) == len(outcomes):
        return answers.done(request, reverse("machines:batch", args=[batch]), go=True)
    context = {"accepted": accepted, "refused": [one for one in outcomes if one.refused], "batch": batch}
    template = "creation/_outcomes.html" if answers.is_async(request) else "creation/outcomes.html"
    return render(request, template, context, status=200)


def _wanted(form: NewMachineForm) -> list[Wanted]:
    """One for each name; [] with the errors at their fields when it makes no sense."""
    names: list[str] = []
    valid = form.is_valid()
    try:
        names = form.names()
    except Invalid as exc:
        form.add_error("name", str(exc))
    try:
        order, secrets = order_of(form.wish(start=form.asked.get("do") == "start"))
    except Wrong as exc:
        form.refuse(exc.errors)
        return []
    return [Wanted(name, order, secrets, form.host_id) for name in names] if valid else []


def _refused(request: HttpRequest, shown: NewMachine) -> HttpResponse:
    return _show(request, shown, status=422)


def _show(request: HttpRequest, shown: NewMachine, *, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {"new": shown, "form": shown.form, "link": _link(shown.form.asked), "previews": "preview" in shown.form.asked}
    context |= {"order": shown.order, "buses": [bus for bus in BUSES if bus], "models": [model for model in NIC_MODELS if model]}
    if status >= 400 and answers.is_async(request):
        return render(request, "creation/_new.html", context, status=status)
    return answers.page(request, "creation/new.html", context, _PIECES, status=status)


def _link(data: QueryDict) -> str:
    """The address that brings back what was typed; what is secret never stands in it."""
    kept = data.copy()
    for name in ("csrfmiddlewaretoken", "password", "user_data", "xml", "do", "os_was"):
        kept.pop(name, None)
    for name in [name for name, value in kept.items() if value == "" and not name.startswith(("disk_", "nic_"))]:
        del kept[name]
    return f"{reverse('creation:new')}?{kept.urlencode()}"
