"""A websocket is opened only by a page of ours: browsers send cookies along whoever's page asks, and say whose it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import validate_host

_DEFAULT_PORTS = {"http": 80, "https": 443}

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


class SameOrigin:
    """Refuses, before it is accepted, a websocket whose Origin is not exactly where it leads to.

    Another port of the same machine is another origin, although cookies do not tell them apart.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope.get("headers", []) if name in (b"origin", b"host")}
        application = self._application if is_ours(headers.get(b"origin", ""), headers.get(b"host", "")) else WebsocketDenier()
        await application(scope, receive, send)


def is_ours(origin: str, host: str) -> bool:
    """`origin`: "https://portal.example:8443"; `host`: the Host header that came with it."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        asked, came = urlsplit(f"//{host}"), urlsplit(origin)
        ports = asked.port, came.port
    except ValueError:
        return False
    if came.scheme not in _DEFAULT_PORTS or not came.hostname or came.hostname != asked.hostname or not validate_host(_bare(host), settings.ALLOWED_HOSTS):
        return False
    default = _DEFAULT_PORTS[came.scheme]
    return (ports[0] or default) == (ports[1] or default)


def _bare(host: str) -> str:
    """Without the port, as ALLOWED_HOSTS names it: "[::1]:8000" → "[::1]"."""
    return host[: host.index("]") + 1].lower() if host.startswith("[") and "]" in host else host.partition(":")[0].lower()
