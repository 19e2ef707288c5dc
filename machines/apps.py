from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MachinesConfig(AppConfig):
    name = "machines"

    def ready(self) -> None:
        from accounts import objects
        from accounts.roles import Role, Scope
        from hosts import guests
        from hosts.devices import users as users_of_devices
        from hosts.networks import users as cards_on_networks
        from hosts.storage import users as users_of_volumes
        from jobs import kinds, subjects
        from live import audience
        from live.tabs import Tab
        from machines import access, actions, grantable, on_devices, on_networks, on_storage, power, tabs
        from machines.on_hosts import MachinesOnHosts

        audience.register("machine", access.visible_ids)
        tabs.PARTS.add(
            Tab("overview", _("Overview"), "machines:machine", 10, Role.VIEWER),
            Tab("history", _("History"), "machines:history", 90, Role.VIEWER),
        )
        objects.register(Scope.MACHINE, grantable.finder())
        subjects.register("machine", subjects.Look("machines:machine", "device-desktop"))
        guests.register(MachinesOnHosts())
        users_of_volumes.register(on_storage.uses)
        users_of_devices.register(on_devices.uses)
        cards_on_networks.register(on_networks.cards)
        for verb in power.VERBS.values():
            is_quick = verb.name not in ("save", "restore")
            kinds.declare(kinds.Kind(verb.kind, verb.title, verb.icon, quick=is_quick, cancellable=verb.name == "save", again=actions.power_again))
        kinds.declare(
            kinds.Kind("machines.set_autostart", "Set autostart", "power"),
            # Not quick: a fresh libvirtd looks through QEMU for up to a minute before its first machine.
            kinds.Kind("machines.try_it", "Make a first machine", "plus", quick=False),
        )
