"""Tags of a machine, and what its guest's agent is asked to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.roles import Role
from jobs.models import Job
from jobs.submit import Refused
from live import answers
from machines import access as machine_access
from machines.hardware import access, actions
from machines.hardware.forms import KeyForm, PasswordForm, TagsForm
from machines.models import Machine
from machines.views.asking import user_of
from machines.views.one import context_of


@require_http_methods(["GET", "POST"])
def tags(request: HttpRequest, pk: int) -> HttpResponse:
    """Which tags it has. WebVirt's own: no job is needed."""
    user = user_of(request)
    machine = machine_access.get(user, pk, Role.OPERATOR)
    if request.method == "GET":
        form = TagsForm(initial={"tags": " ".join(machine.tags.values_list("text", flat=True))})
        return _form(request, machine, form, "tags")
    form = TagsForm(request.POST)
    if form.is_valid():
        try:
            actions.set_tags(user, machine, form.cleaned_data["tags"])
        except Refused as exc:
            form.add_error("tags", str(exc))
        else:
            return answers.done(request, machine.get_absolute_url())
    return _form(request, machine, form, "tags", status=400)


@require_http_methods(["GET", "POST"])
def password(request: HttpRequest, pk: int) -> HttpResponse:
    """Set a user's password in the guest."""
    return _by_agent(request, pk, PasswordForm, "password", lambda user, machine, data: actions.set_password(user, machine, data["user"], data["password"]))


@require_http_methods(["GET", "POST"])
def ssh_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a public key sign in to the guest."""
    return _by_agent(request, pk, KeyForm, "key", lambda user, machine, data: actions.add_ssh_key(user, machine, data["user"], data["key"]))


def _by_agent(request: HttpRequest, pk: int, form_class: type[forms.Form], name: str, deed: Callable[[User, Machine, dict[str, Any]], Job]) -> HttpResponse:
    user = user_of(request)
    machine = access.to_change(user, pk)
    if request.method == "GET":
        return _form(request, machine, form_class(), name)
    form = form_class(request.POST)
    if not form.is_valid():
        return _form(request, machine, form, name, status=400)
    try:
        job = deed(user, machine, form.cleaned_data)
    except Refused as exc:
        return answers.refused(request, str(exc), machine.get_absolute_url())
    return answers.done(request, machine.get_absolute_url(), words=_("The guest's agent is asked."), job_id=job.pk)


def _form(request: HttpRequest, machine: Machine, form: forms.Form, name: str, *, status: int = 200) -> HttpResponse:
    context = context_of(request, machine, "overview") | {"form": form, "why_not": "" if name == "tags" else actions.agent_refusal(machine)}
    piece = f"hardware/_{name}.html"
    template = piece if answers.is_async(request) else "hardware/dialog_page.html"
    return answers.page(request, template, context | {"piece": piece}, {"dialog": piece}, status=status)
