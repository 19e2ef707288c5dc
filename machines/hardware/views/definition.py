"""A machine's definition as XML: to be read, edited with a diff before it is applied, compared and restored."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts.roles import Role
from jobs.submit import Refused
from live import answers
from machines import access as machine_access
from machines import history
from machines.hardware import access, actions
from machines.hardware.actions import Editor, Stale
from machines.hardware.forms import XmlForm
from machines.models import Machine
from machines.views.asking import number, user_of
from machines.views.one import context_of
from virt.errors import Invalid, VirtError

_PIECES = {"machine-head": "machines/_head.html", "xml-versions": "hardware/_versions.html", "dialog": "hardware/_restore.html"}
_MOST_VERSIONS = 60


@require_http_methods(["GET", "POST"])
def xml(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the editor (for operators to read). POST: what would change, and with `confirmed` do it."""
    user = user_of(request)
    if request.method == "GET":
        machine = machine_access.get(user, pk, Role.OPERATOR)
        editor = Editor(user, machine)
        newest = editor.definitions.newest
        form = XmlForm(initial={"xml": newest.xml if newest else "", "based_on": editor.definitions.digest})
        return _show(request, machine, form)
    machine = access.to_change(user, pk)
    return _change(request, machine, Editor(user, machine))


@require_http_methods(["GET", "POST"])
def restore(request: HttpRequest, pk: int, version: int) -> HttpResponse:
    """Go back to a definition of before: asked back with the diff."""
    user = user_of(request)
    machine = access.to_change(user, pk)
    found = machine.definitions.filter(pk=version).first()
    if found is None:
        raise Http404
    editor, back = Editor(user, machine), f"/machines/{machine.pk}/xml/"
    try:
        if request.method == "POST":
            words = f"The definition of {found.at:%Y-%m-%d %H:%M:%S} UTC, restored"
            job = editor.define(editor.of_before(found.xml), request.POST.get("based_on", ""), words=words)
            return answers.done(request, back, words=_("The definition is being restored."), job_id=job.pk)
        proposal = editor.propose_xml(editor.of_before(found.xml))
    except PermissionDenied:
        raise
    except (Refused, VirtError) as exc:
        return answers.refused(request, str(exc), back)
    context = _context(request, machine) | {"proposal": proposal, "version": found}
    return answers.page(request, "hardware/dialog_page.html", context | {"piece": "hardware/_restore.html"}, _PIECES)


@require_GET
def between(request: HttpRequest, pk: int) -> HttpResponse:
    """Any two versions side by side; the page of one version does it."""
    machine = machine_access.get(user_of(request), pk, Role.OPERATOR)
    old, new = number(request.GET.get("old", "")), number(request.GET.get("new", ""))
    if not new:
        return redirect("hardware:xml", machine.pk)
    query = f"?with={old}" if old else ""
    return redirect(reverse("machines:definition", args=[machine.pk, new]) + query)


def _change(request: HttpRequest, machine: Machine, editor: Editor) -> HttpResponse:
    form = XmlForm(request.POST)
    if not form.is_valid():
        return _show(request, machine, form, status=400)
    text, based_on = form.cleaned_data["xml"], form.cleaned_data["based_on"]
    try:
        if "confirmed" in request.POST:
            job = editor.define(text, based_on)
            return answers.done(request, f"/machines/{machine.pk}/xml/", words=_("The definition is being saved."), job_id=job.pk)
        return _show(request, machine, form, proposal=editor.propose_xml(text))
    except Stale as exc:
        form.data = {**form.data.dict(), "based_on": editor.definitions.digest}  # type: ignore[attr-defined]
        return _show(request, machine, form, theirs=exc.theirs, stale=True, proposal=_quietly(editor, text), status=409)
    except Invalid as exc:
        form.add_error("xml", str(exc))
        return _show(request, machine, form, status=400)
    except PermissionDenied:
        raise
    except (Refused, VirtError) as exc:
        return answers.refused(request, str(exc), f"/machines/{machine.pk}/xml/")


def _quietly(editor: Editor, text: str) -> Any:
    try:
        return editor.propose_xml(text)
    except (Refused, VirtError):
        return None


def _show(request: HttpRequest, machine: Machine, form: XmlForm, *, status: int = 200, **more: Any) -> HttpResponse:
    context = _context(request, machine) | {"form": form} | more
    template = "hardware/_xml.html" if answers.is_async(request) else "hardware/xml.html"
    return answers.page(request, template, context, _PIECES, status=status)


def _context(request: HttpRequest, machine: Machine) -> dict[str, Any]:
    user = user_of(request)
    return context_of(request, machine, "xml") | {
        "versions": history.versions(machine, most=_MOST_VERSIONS),
        "changes_it": machine_access.may(user, machine, Role.MANAGER) and not machine.gone_at,
        "why_not": actions.refusal(machine),
    }
