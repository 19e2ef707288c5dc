from __future__ import annotations

from typing import Any

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
        kinds.declare(kinds.Kind("hosts.test", "Test connection", "plug", changing=False, steps=_steps_of_test))


def _steps_of_test(job_id: int) -> list[Any]:
    from hosts import steps

    return list(steps.of_job(job_id))
