"""What changes one machine, each with its question for pages without scripts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit
from accounts.roles import Role
from jobs.submit import Refused
from live import answers
from machines import access, actions
from machines import notes as texts
from machines.forms import AutostartForm, NotesForm, PowerForm
from machines.models import Machine
from machines.power import VERBS
from machines.views.asking import first_error, user_of
from machines.views.one import context_of


@require_http_methods(["GET", "POST"])
def power(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: what can be done, or with `action` the question whether to do it. POST: ask for it."""
    user = user_of(request)
    found = access.get(user, pk, Role.OPERATOR)
    if request.method == "GET":
        return _power_question(request, found)
    form, page = PowerForm(request.POST), found.get_absolute_url()
    if not form.is_valid():
        return answers.refused(request, first_error(form), page, status=400)
    verb = VERBS[form.cleaned_data["action"]]
    try:
        job = actions.set_power(user, found, verb.name)
    except Refused as exc:
        return answers.refused(request, str(exc), page)
    words = _("%(action)s of %(name)s is on its way.") % {"action": verb.title, "name": found.name}
    return answers.done(request, page, words=words, job_id=job.pk)


@require_POST
def autostart(request: HttpRequest, pk: int) -> HttpResponse:
    """Whether it starts with its host."""
    user = user_of(request)
    found = access.get(user, pk, Role.OPERATOR)
    form, page = AutostartForm(request.POST), found.get_absolute_url()
    if not form.is_valid():
        return answers.refused(request, first_error(form), page, status=400)
    try:
        job = actions.set_autostart(user, found, form.cleaned_data["on"])
    except Refused as exc:
        return answers.refused(request, str(exc), page)
    words = _("Autostart of %(name)s is being set.") % {"name": found.name}
    return answers.done(request, page, words=words, job_id=job.pk)


@require_http_methods(["GET", "POST"])
def notes(request: HttpRequest, pk: int) -> HttpResponse:
    """Edit the notes. What somebody else wrote meanwhile is shown, not overwritten."""
    found = access.get(user_of(request), pk, Role.OPERATOR)
    if request.method == "GET":
        return _notes_form(request, found, NotesForm(initial={"notes": found.notes, "version": texts.version(found.notes)}))
    form = NotesForm(request.POST)
    if not form.is_valid():
        return _notes_form(request, found, form, status=400)
    if texts.save(found, form.cleaned_data["notes"], based_on=form.cleaned_data["version"]):
        audit.record("machines.notes", found.name, request=request, detail={"machine": found.pk})
        return answers.done(request, found.get_absolute_url())
    found.refresh_from_db(fields=["notes"])
    # Sent once more it replaces what is shown now: a decision, no accident.
    again = NotesForm({"notes": form.cleaned_data["notes"], "version": texts.version(found.notes)})
    return _notes_form(request, found, again, status=409, theirs=found.notes)


def _power_question(request: HttpRequest, machine: Machine) -> HttpResponse:
    verb = VERBS.get(request.GET.get("action", ""))
    context = context_of(request, machine, "overview") | {"verb": verb}
    if verb is None:
        return answers.page(request, "machines/power.html", context, {"dialog": "machines/_power.html"})
    context["why_not"] = actions.refusal(verb, machine)
    return answers.page(request, "machines/power_confirm.html", context, {"dialog": "machines/_power_confirm.html"})


def _notes_form(request: HttpRequest, machine: Machine, form: NotesForm, *, status: int = 200, theirs: str | None = None) -> HttpResponse:
    context = context_of(request, machine, "overview") | {"form": form, "theirs": theirs}
    template = "machines/_notes_form.html" if answers.is_async(request) else "machines/notes.html"
    return answers.page(request, template, context, {"dialog": "machines/_notes_dialog.html"}, status=status)
