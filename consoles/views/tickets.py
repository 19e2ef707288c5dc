"""Tickets and the state of a console, for its page."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from consoles import access, actions, shares
from consoles.tickets import login_of_session
from consoles.views.asking import Asked, asked, refusal
from jobs.submit import Refused
from machines.views.asking import user_of


@require_POST
def tickets(request: HttpRequest, pk: int) -> JsonResponse:
    """201 with tickets; {"error"} with 400, 403, 404 or 409."""
    user = user_of(request)
    try:
        given = asked(request)
        opening = access.opening(user, pk, given.text("share"))
        login = actions.Login(login_of_session(request.session.session_key or ""))
        return JsonResponse(actions.ask(user, opening, _wish(given), login), status=201)
    except (Http404, PermissionDenied, Refused, ValueError) as exc:
        return refusal(exc)


@require_GET
def state(request: HttpRequest, pk: int) -> JsonResponse:
    """What the machine offers, who is on it, which invitations are open."""
    user = user_of(request)
    try:
        opening = access.opening(user, pk, request.GET.get("share", ""))
    except Http404 as exc:
        return refusal(exc)
    found: dict[str, Any] = actions.state(user, opening)
    found["shares"] = [] if opening.share else [shown(share, user.pk) for share in shares.open_of(opening.machine)]
    answer = JsonResponse(found)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def shown(share: Any, viewer_id: int) -> dict[str, Any]:
    """An invitation as pages and the API tell of it."""
    return {
        "id": share.pk,
        "to": share.invited.username if share.invited else "",
        "by": share.made_by.username,
        "mine": share.made_by_id == viewer_id,
        "view_only": share.view_only,
        "until": share.until.isoformat(),
    }


def _wish(given: Asked) -> actions.Wish:
    return actions.Wish(
        kind=given.text("kind") or "vnc",
        view_only=given.flag("view_only"),
        session=given.text("session"),
        count=given.number("count", 1),
        port=given.number("serial_port", 0),
        force=given.flag("force"),
    )
