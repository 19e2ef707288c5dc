from __future__ import annotations

from django.apps import AppConfig


class HostsConfig(AppConfig):
    name = "hosts"

    def ready(self) -> None:
        from accounts import objects
        from accounts.roles import Scope
        from hosts import access, grantable
        from jobs import kinds
        from live import audience

        audience.register("host", access.visible_ids)
        objects.register(Scope.HOST, grantable.finder())
        kinds.declare(kinds.Kind("hosts.test", "Test connection", "plug", changing=False))
