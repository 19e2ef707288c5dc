from __future__ import annotations

from django.apps import AppConfig


class MachinesConfig(AppConfig):
    name = "machines"

    def ready(self) -> None:
        from accounts import objects
        from accounts.roles import Scope
        from jobs import kinds
        from live import audience
        from machines import access, grantable, power

        audience.register("machine", access.visible_ids)
        objects.register(Scope.MACHINE, grantable.finder())
        for verb in power.VERBS.values():
            kinds.declare(kinds.Kind(verb.kind, verb.title, verb.icon, quick=verb.name not in ("save", "restore"), cancellable=verb.name == "save"))
        kinds.declare(
            kinds.Kind("machines.set_autostart", "Set autostart", "power"),
            kinds.Kind("machines.try_it", "Make a first machine", "plus"),
        )
