from __future__ import annotations

from django.apps import AppConfig


class ConsolesConfig(AppConfig):
    name = "consoles"

    def ready(self) -> None:
        from consoles import access
        from live import audience

        audience.register("console", access.heard_ids)
