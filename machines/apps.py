from __future__ import annotations

from django.apps import AppConfig


class MachinesConfig(AppConfig):
    name = "machines"

    def ready(self) -> None:
        from accounts import objects
        from accounts.roles import Scope
        from hosts import guests
        from jobs import kinds
        from live import audience
        from machines import access, grantable, power
        from machines.on_hosts import MachinesOnHosts

        audience.register("machine", access.visible_ids)
        objects.register(Scope.MACHINE, grantable.finder())
        guests.register(MachinesOnHosts())
        for verb in power.VERBS.values():
            kinds.declare(kinds.Kind(verb.kind, verb.title, verb.icon, quick=verb.name not in ("save", "restore"), cancellable=verb.name == "save"))
        kinds.declare(
            kinds.Kind("machines.set_autostart", "Set autostart", "power"),
            # Not quick: a fresh libvirtd looks through QEMU for up to a minute before its first machine.
            kinds.Kind("machines.try_it", "Make a first machine", "plus", quick=False),
        )
