"""The hardware page: one device at a time as a form, with what would change before it is applied."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts.roles import Role
from jobs.submit import Refused
from live import answers
from machines import access as machine_access
from machines.hardware import access, actions
from machines.hardware.actions import Editor, Stale
from machines.hardware.forms import DeviceForm, GrowForm
from machines.hardware.page import Hardware
from machines.models import Machine
from machines.views.asking import user_of
from machines.views.one import context_of
from virt.errors import Invalid, VirtError
from virt.xml.devices import Kind, kind_named
from virt.xml.edit.edits import Edit

_PIECES = {"machine-head": "machines/_head.html", "device-list": "hardware/_list.html", "device": "hardware/_device.html"}


@require_GET
def hardware(request: HttpRequest, pk: int) -> HttpResponse:
    """The first device: its CPU."""
    machine = machine_access.get(user_of(request), pk)
    page = Hardware(machine)
    if page.is_known:
        return _device_page(request, machine, _kind("cpu"), "0")
    return answers.page(request, "hardware/hardware.html", _context(request, machine, page), _PIECES)


@require_http_methods(["GET", "POST"])
def device(request: HttpRequest, pk: int, kind: str, key: str) -> HttpResponse:
    """GET: a device's form. POST: what would change, and with `confirmed` do it."""
    if request.method == "GET":
        return _device_page(request, machine_access.get(user_of(request), pk), _kind(kind), key)
    return _change(request, access.to_change(user_of(request), pk), _kind(kind), key)


@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """The same for a new device."""
    machine, found = access.to_change(user_of(request), pk), _kind(kind)
    if not found.addable:
        raise Http404
    if request.method == "POST":
        return _change(request, machine, found, "")
    editor = Editor(user_of(request), machine)
    form = DeviceForm(found, editor.offers, based_on=editor.definitions.digest)
    return _show(request, machine, editor, form, "")


@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, pk: int, kind: str, key: str) -> HttpResponse:
    """Ask back with what is lost; then take it out."""
    machine, found = access.to_change(user_of(request), pk), _kind(kind)
    editor = Editor(user_of(request), machine)
    node = Hardware(machine, editor.definitions).node(found, key)
    back = _page_of(machine)
    if request.method == "GET" and node is None:
        return redirect(back)
    try:
        if request.method == "POST":
            job = editor.apply([Edit("remove", found.name, key)], request.POST.get("based_on", ""))
            return answers.done(request, back, words=_("It is being removed."), job_id=job.pk, go=True)
        proposal = editor.propose([Edit("remove", found.name, key)])
    except PermissionDenied:
        raise
    except (Refused, VirtError) as exc:
        return answers.refused(request, str(exc), back)
    context = _context(request, machine, Hardware(machine, editor.definitions))
    context |= {"proposal": proposal, "kind": found, "key": key, "name": found.title_of(node) if node is not None else ""}
    return _dialog(request, "hardware/_remove.html", context)


@require_http_methods(["GET", "POST"])
def grow(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """Make a disk larger."""
    machine = access.to_change(user_of(request), pk)
    back = _page_of(machine, "disk", key)
    form = GrowForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            job = Editor(user_of(request), machine).grow(key, int(form.cleaned_data["size"]))
        except Refused as exc:
            return answers.refused(request, str(exc), back)
        return answers.done(request, back, words=_("%(name)s is being grown.") % {"name": key}, job_id=job.pk)
    context = _context(request, machine, Hardware(machine)) | {"form": form, "key": key}
    return _dialog(request, "hardware/_grow.html", context, status=400 if form.errors else 200)


@require_GET
def compare(request: HttpRequest, pk: int) -> HttpResponse:
    """What the machine runs with beside what is stored."""
    machine = machine_access.get(user_of(request), pk)
    return _dialog(request, "hardware/_compare.html", _context(request, machine, Hardware(machine)))


# ── one device ──


def _device_page(request: HttpRequest, machine: Machine, kind: Kind, key: str) -> HttpResponse:
    editor = Editor(user_of(request), machine)
    node = Hardware(machine, editor.definitions).node(kind, key)
    if node is None:
        return (
            redirect(_page_of(machine))
            if kind.is_device
            else answers.page(request, "hardware/hardware.html", _context(request, machine, Hardware(machine)), _PIECES)
        )
    form = DeviceForm(kind, editor.offers, values=kind.read(node), based_on=editor.definitions.digest)
    return _show(request, machine, editor, form, key)


def _change(request: HttpRequest, machine: Machine, kind: Kind, key: str) -> HttpResponse:
    """What was sent, as a proposal or as a job. What is wrong stands at its field; a stale edit is shown beside what others did."""
    editor = Editor(user_of(request), machine)
    node = Hardware(machine, editor.definitions).node(kind, key) if key else None
    if key and node is None:
        return answers.refused(request, _("It is not in the machine any more."), _page_of(machine))
    based_on = request.POST.get("based_on", "")
    form = DeviceForm(kind, editor.offers, request.POST, values=kind.read(node) if node is not None else None, based_on=based_on)
    if not form.is_valid():
        return _show(request, machine, editor, form, key, status=400)
    edit = Edit("change", kind.name, key, form.changes) if key else Edit("add", kind.name, "", form.changes)
    try:
        if "confirmed" in request.POST:
            job = editor.apply([edit], based_on)
            return answers.done(request, _page_after(machine, kind, key, form), words=_("It is being changed."), job_id=job.pk)
        return _show(request, machine, editor, form, key, proposal=editor.propose([edit]))
    except Stale as exc:
        return _show_stale(request, machine, editor, form, key, edit, exc)
    except Invalid as exc:
        form.add_error(None, str(exc))
        return _show(request, machine, editor, form, key, status=400)
    except PermissionDenied:
        raise
    except (Refused, VirtError) as exc:
        return answers.refused(request, str(exc), _page_of(machine), detail=getattr(exc, "detail", ""))


def _show_stale(request: HttpRequest, machine: Machine, editor: Editor, form: DeviceForm, key: str, edit: Edit, stale: Stale) -> HttpResponse:
    """Theirs and ours. Sent once more it is based on what is shown now: a decision, no accident."""
    form.data = {**form.data.dict(), "based_on": editor.definitions.digest}  # type: ignore[attr-defined]
    try:
        proposal = editor.propose([edit])
    except (VirtError, Refused):
        proposal = None
    return _show(request, machine, editor, form, key, proposal=proposal, theirs=stale.theirs, stale=True, status=409)


def _show(request: HttpRequest, machine: Machine, editor: Editor, form: DeviceForm, key: str, *, status: int = 200, **more: Any) -> HttpResponse:
    page = Hardware(machine, editor.definitions)
    node = page.node(form.kind, key) if key else None
    asked = page.asked(form, key=key)
    context = _context(request, machine, page) | more
    context |= {
        "form": form,
        "kind": form.kind,
        "key": key,
        "new": page.mark_of_new(form.kind) if not key else "",
        "node_name": form.kind.title_of(node) if node is not None else "",
        "summary": form.kind.summary(node) if node is not None else "",
        "usual": [each for each in asked if not each.described.rare],
        "rare": [each for each in asked if each.described.rare],
        "waiting": [each for each in page.pending if each.kind == form.kind.name and each.key == key],
        "rare_open": any(each.bound.errors for each in asked if each.described.rare),
    }
    template = "hardware/_device.html" if answers.is_async(request) else "hardware/hardware.html"
    return answers.page(request, template, context, _PIECES, status=status)


def _context(request: HttpRequest, machine: Machine, page: Hardware) -> dict[str, Any]:
    user = user_of(request)
    return context_of(request, machine, "hardware") | {
        "hw": page,
        "changes_it": machine_access.may(user, machine, Role.MANAGER) and not machine.gone_at,
        "reads_xml": machine_access.may(user, machine, Role.OPERATOR),
        "why_not": actions.refusal(machine),
    }


def _dialog(request: HttpRequest, piece: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    template = piece if answers.is_async(request) else "hardware/dialog_page.html"
    return answers.page(request, template, context | {"piece": piece}, {"dialog": piece}, status=status)


def _kind(name: str) -> Kind:
    try:
        return kind_named(name)
    except Invalid:
        raise Http404 from None


def _page_of(machine: Machine, kind: str = "", key: str = "") -> str:
    page = Hardware(machine)
    return page.url(kind_named(kind), key) if kind else page.url(kind_named("cpu"), "0")


def _page_after(machine: Machine, kind: Kind, key: str, form: DeviceForm) -> str:
    """A new device has no page yet: its job is still to come."""
    return Hardware(machine).url(kind, form.changes.get(kind.key) or key) if key else _page_of(machine)
