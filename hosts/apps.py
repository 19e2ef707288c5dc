from __future__ import annotations

from django.apps import AppConfig


class HostsConfig(AppConfig):
    name = "hosts"

    def ready(self) -> None:
        from hosts import access
        from jobs import kinds
        from live import audience

        audience.register("host", access.visible_ids)
        kinds.declare(kinds.Kind("hosts.test", "Test connection", "plug", changing=False))
