"""HTTP by Django, websockets by Channels; an unknown websocket path is refused, not an error."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webvirt.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path, re_path

from hosts.storage.transfers.pump import Pump
from live.consumers import LiveConsumer, Nowhere
from live.origin import SameOrigin
from webvirt.lifespan import lifespan
from webvirt.limits import BodyLimit

application = ProtocolTypeRouter(
    {
        "http": Pump(http, BodyLimit(http, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)),
        "websocket": SameOrigin(AuthMiddlewareStack(URLRouter([path("live/", LiveConsumer.as_asgi()), re_path("", Nowhere.as_asgi())]))),
        "lifespan": lifespan,
    }
)
