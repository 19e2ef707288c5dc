"""Invitations to a console: made, followed, revoked."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.models import User
from consoles import access, actions
from consoles import shares as invitations
from consoles.views.asking import asked, denied, refusal
from consoles.views.tickets import shown
from jobs.submit import Refused
from machines.views.asking import user_of


def shares(request: HttpRequest, pk: int) -> HttpResponse:
    return make(request, pk) if request.method == "POST" else listed(request, pk)


@require_GET
def listed(request: HttpRequest, pk: int) -> JsonResponse:
    user = user_of(request)
    try:
        machine = access.to_share(user, pk, view_only=True)
    except (Http404, PermissionDenied) as exc:
        return refusal(exc)
    return JsonResponse({"shares": [shown(share, user.pk) for share in invitations.open_of(machine)]})


@require_POST
def make(request: HttpRequest, pk: int) -> JsonResponse:
    """201 {"share", "link"}: the link is shown once."""
    user = user_of(request)
    try:
        given = asked(request)
        view_only = given.flag("view_only")
        machine = access.to_share(user, pk, view_only=view_only)
        invited = _person(given.text("to"))
        share, token = invitations.make(user, machine, minutes=given.number("minutes", 60), view_only=view_only, invited=invited)
    except (Http404, PermissionDenied, Refused, ValueError) as exc:
        return denied(request, exc)
    link = request.build_absolute_uri(actions.link_of(token))
    return JsonResponse({"share": shown(share, user.pk), "link": link}, status=201)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        invitations.revoke(user_of(request), access.share_to_revoke(user_of(request), pk))
    except (Http404, PermissionDenied) as exc:
        return denied(request, exc)
    return HttpResponse(status=204)


@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """The link of an invitation leads to the console's page, which hands the token on when it asks for tickets."""
    share = invitations.by_token(user_of(request), token)
    if share is None:
        raise Http404
    return redirect(f"{reverse('consoles:page', args=[share.machine_id])}?{urlencode({'share': token})}")


def _person(username: str) -> User | None:
    if not username:
        return None
    person = User.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise Refused("There is nobody of this name.")
    return person
