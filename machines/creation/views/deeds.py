"""Copying, renaming and deleting a machine: dialogs, each a page as well."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.roles import Role
from hosts.storage.models import Pool
from jobs.submit import Refused
from live import answers
from machines import access as machine_access
from machines.creation import actions
from machines.creation.disks import disks_of
from machines.creation.forms import CloneForm, DeleteForm, NameForm
from machines.models import Machine
from machines.views.asking import user_of
from machines.views.one import context_of

_MOST_AT_ONCE = 500


@require_http_methods(["GET", "POST"])
def clone(request: HttpRequest, pk: int) -> HttpResponse:
    user = user_of(request)
    machine = machine_access.get(user, pk, Role.MANAGER)
    form = CloneForm(request.POST or None, initial={"name": f"{machine.name}-copy"})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            made, job = actions.clone(user, machine, data["name"].strip(), pool=data["pool"], start=data["start"], linked=data["linked"])
        except Refused as exc:
            form.add_error(None, str(exc))
        else:
            return answers.done(request, machine.get_absolute_url(), words=_("%(name)s is being made.") % {"name": made.name}, job_id=job.pk)
    pools = Pool.objects.filter(host_id=machine.host_id, gone_at=None, state="running").order_by("name")
    return _form(request, machine, form, "clone", {"pools": pools, "why_not": actions.why_not_clone(machine)})


@require_http_methods(["GET", "POST"])
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    user = user_of(request)
    machine = machine_access.get(user, pk, Role.MANAGER)
    form = NameForm(request.POST or None, initial={"name": machine.name})
    if request.method == "POST" and form.is_valid():
        try:
            job = actions.rename(user, machine, form.cleaned_data["name"].strip())
        except Refused as exc:
            form.add_error("name", str(exc))
        else:
            return answers.done(request, machine.get_absolute_url(), words=_("It is being renamed."), job_id=job.pk)
    return _form(request, machine, form, "rename", {"why_not": actions.why_not_rename(machine)})


@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Which disks go with it is chosen; its name is typed."""
    user = user_of(request)
    machine = machine_access.get(user, pk, Role.MANAGER)
    disks = disks_of(machine)
    form = DeleteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        chosen = set(request.POST.getlist("disks"))
        try:
            if form.cleaned_data["typed"] != machine.name:
                raise Refused(_("The name is not that of the machine."))
            job = actions.delete(
                user, machine, [disk.path for disk in disks if disk.path in chosen and disk.deletable], force_off=form.cleaned_data["force_off"]
            )
        except Refused as exc:
            form.add_error(None, str(exc))
        else:
            words = _("%(name)s is being deleted.") % {"name": machine.name}
            return answers.done(request, reverse("machines:list"), words=words, job_id=job.pk)
    return _form(request, machine, form, "delete", {"disks": disks, "why_not": actions.why_not_delete(machine)})


@require_POST
def delete_many(request: HttpRequest) -> HttpResponse:
    """Of the list's selection; asked back first, with what is lost."""
    user = user_of(request)
    ids = {int(text) for text in request.POST.getlist("ids") if text.isascii() and text.isdigit() and len(text) < 16}
    machines = list(machine_access.visible(user).filter(pk__in=ids).select_related("host").order_by("name")[: _MOST_AT_ONCE + 1])
    if not machines:
        return answers.refused(request, _("None of them is there any more."), reverse("machines:list"), status=400)
    if len(machines) > _MOST_AT_ONCE:
        return answers.refused(request, _("At most %(n)d machines at once.") % {"n": _MOST_AT_ONCE}, reverse("machines:list"), status=400)
    if "confirmed" not in request.POST:
        return _piece(request, "bulk", {"machines": machines, "running": sum(machine.is_active for machine in machines)})
    if request.POST.get("typed", "").strip() != str(len(machines)):
        return answers.refused(request, _("Type how many machines are deleted: %(n)d.") % {"n": len(machines)}, reverse("machines:list"), status=422)
    outcomes = actions.delete_many(user, machines, with_disks="with_disks" in request.POST, force_off="force_off" in request.POST)
    return _piece(request, "deleted", {"accepted": [one for one in outcomes if one.job], "refused": [one for one in outcomes if not one.job]})


def _piece(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    template = f"creation/_{name}.html" if answers.is_async(request) else "creation/piece_page.html"
    return render(request, template, context | {"piece": f"creation/_{name}.html"})


def _form(request: HttpRequest, machine: Machine, form: forms.Form, name: str, more: dict[str, Any]) -> HttpResponse:
    piece = f"creation/_{name}.html"
    context = context_of(request, machine, "overview") | {"form": form, "piece": piece} | more
    status = 422 if form.errors else 200
    if answers.is_async(request):
        return render(request, piece, context, status=status)
    return answers.page(request, "hardware/dialog_page.html", context, {"dialog": piece}, status=status)
