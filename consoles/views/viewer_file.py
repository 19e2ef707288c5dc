"""A file that opens a machine's screen in virt-viewer (consoles/viewer.py)."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts import audit
from consoles import access, lending, viewer
from consoles.actions import why_not
from machines.views.asking import user_of


@require_safe
def viewer_file(request: HttpRequest, pk: int) -> HttpResponse:
    """202 while the host is asked (then again, soon); 409 with the reason where it could not work. The display's password is in it (consoles/lending.py)."""
    user = user_of(request)
    opening = access.opening(user, pk, request.GET.get("share", ""))
    if not opening.may_act:
        raise PermissionDenied(_("You may watch this console, not act on it."))
    machine = opening.machine
    listens = viewer.within_reach(machine)
    problem = why_not(opening) or ("" if listens else _("The display listens on its host alone: the portal reaches it, virt-viewer does not."))
    if problem:
        return _words(problem, 409)
    screen = viewer.take(machine, user.pk)
    if screen is None:
        return _words(_("The host is asked for its display."), 202, {"Refresh": "1", "Retry-After": "1"})
    if screen.problem:
        return _words(screen.problem, 409)
    if screen.lasting and not lending.may_have_lasting(opening.role):
        return _words(lending.LASTING, 409)
    if screen.password and not screen.lasting and not lending.note(opening, user.pk):
        return _words(_("The portal's memory does not answer. Try again in a moment."), 409)
    audit.record("consoles.viewer_file", machine.name, actor=user, detail={"by": screen.kind, **({"lasting password": True} if screen.lasting else {})})
    answer = HttpResponse(viewer.file_of(machine, screen), content_type="application/x-virt-viewer")
    answer.headers["Content-Disposition"] = f'attachment; filename="console-{machine.pk}.vv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _words(words: str, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store", **(headers or {})})
