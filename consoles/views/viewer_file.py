"""A file that opens a machine's screen in virt-viewer, where the person's own computer can reach the display. (remote-viewer(1): "connection file")"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from consoles import access
from consoles.actions import why_not
from machines.models import Machine
from machines.views.asking import user_of


@require_safe
def viewer_file(request: HttpRequest, pk: int) -> HttpResponse:
    """409 with the reason where it could not work. A password is not in it: virt-viewer asks for it."""
    opening = access.opening(user_of(request), pk, request.GET.get("share", ""))
    if not opening.may_act:
        raise PermissionDenied(_("You may watch this console, not act on it."))
    machine = opening.machine
    screen = _within_reach(machine)
    problem = why_not(opening) or ("" if screen else _("The display listens on its host alone: the portal reaches it, virt-viewer does not."))
    if problem or screen is None:
        return HttpResponse(problem, status=409, content_type="text/plain; charset=utf-8")
    kind, address, port = screen
    lines = ["[virt-viewer]", f"type={kind}", f"host={address}", f"port={port}", f"title={_one_line(machine.name)}", "delete-this-file=1"]
    answer = HttpResponse("\n".join([*lines, ""]), content_type="application/x-virt-viewer")
    answer.headers["Content-Disposition"] = f'attachment; filename="console-{machine.pk}.vv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _within_reach(machine: Machine) -> tuple[str, str, int] | None:
    """Kind, address and port of the first screen that listens on a network."""
    for screen in machine.graphics:
        address, port = _address(machine, screen), int(screen.get("port") or 0)
        if screen.get("kind") in ("vnc", "spice") and address and port:
            return str(screen["kind"]), address, port
    return None


def _address(machine: Machine, screen: dict[str, Any]) -> str:
    if screen.get("socket") or screen.get("listen") in ("socket", "none"):
        return ""
    address = _one_line(str(screen.get("address") or ""))
    with suppress(ValueError):
        known = ipaddress.ip_address(address)
        if known.is_loopback:
            return ""
        if known.is_unspecified:
            return machine.host.address
    return address


def _one_line(text: str) -> str:
    """Names come from outside: none begins a line of its own."""
    return "".join(letter for letter in text if letter.isprintable())
