"""HTTP by Django, websockets by Channels; an unknown websocket path is refused, not an error."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webvirt.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path, re_path

from live.consumers import LiveConsumer, Nowhere
from webvirt.lifespan import lifespan

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                URLRouter([path("live/", LiveConsumer.as_asgi()), re_path("", Nowhere.as_asgi())])  # type: ignore[arg-type]
            )
        ),
        "lifespan": lifespan,
    }
)
