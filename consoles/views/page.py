"""The console's page: a tab of its own around one machine's screen."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from consoles import access, actions, pages, viewer
from live import answers
from machines.overview import Overview
from machines.views.asking import user_of

_PIECES = {"console-head": "consoles/_head.html", "console-who": "consoles/_who.html", "dialog": "consoles/_share.html"}


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """Whoever may watch it, by a role or by an invitation (`share`). The picture itself comes by tickets."""
    user = user_of(request)
    token = request.GET.get("share", "")
    opening = access.opening(user, pk, token)
    found = actions.state(user, opening)
    context = {
        "machine": opening.machine,
        "opening": opening,
        "found": found,
        "token": token if opening.share else "",
        "view": Overview(opening.machine, user),
        "keys": pages.FUNCTION_KEYS,
        "layouts": pages.LAYOUTS,
        "viewer": opening.may_act and viewer.within_reach(opening.machine),
    }
    if request.headers.get("WV-Fragment") == "dialog":
        context["shares"] = pages.shares_of(opening, user)
    return answers.page(request, "consoles/page.html", context, _PIECES)
