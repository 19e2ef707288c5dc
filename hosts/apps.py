from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class HostsConfig(AppConfig):
    name = "hosts"

    def ready(self) -> None:
        from accounts import objects
        from accounts.roles import Role, Scope
        from hosts import access, grantable, shown, tabs
        from jobs import kinds, subjects
        from live import audience
        from live.tabs import Tab

        audience.register("host", access.visible_ids)
        tabs.PARTS.add(
            Tab("overview", _("Overview"), "hosts:host", 10, Role.VIEWER),
            Tab("connection", _("Connection"), "hosts:test", 80, Role.VIEWER, warns=shown.needs_somebody),
            Tab("log", _("Log"), "hosts:log", 90, Role.VIEWER),
        )
        objects.register(Scope.HOST, grantable.finder())
        subjects.register("host", subjects.Look("hosts:host", "server"))
        kinds.declare(kinds.Kind("hosts.test", "Test connection", "plug", changing=False, steps=_steps_of_test))


def _steps_of_test(job_id: int) -> list[Any]:
    from hosts import steps

    return list(steps.of_job(job_id))
