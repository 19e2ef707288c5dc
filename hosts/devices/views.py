"""Pages of a host's devices. They show what the watcher wrote."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.models import User
from hosts import access
from hosts.devices.listing import Devices, Query
from hosts.overview import Overview
from live import answers
from live.wishes import wish


@require_GET
def of_host(request: HttpRequest, pk: int) -> HttpResponse:
    overview = Overview(access.get(_user(request), pk), _user(request))
    if "WV-Fragment" not in request.headers:
        wish(pk, "devices")  # a driver that was bound to another came without an event
    query = Query.of(request.GET)
    context = {"o": overview, "host": overview.host, "tab": "devices", "devices": Devices(overview.host, query), "query": query}
    return answers.page(request, "devices/of_host.html", context, {"host-head": "hosts/_head.html", "devices": "devices/_devices.html"})


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)  # accounts.middleware lets nobody else in
