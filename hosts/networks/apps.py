"""Virtual networks of a host."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NetworksConfig(AppConfig):
    name = "hosts.networks"
    label = "networks"

    def ready(self) -> None:
        from accounts.roles import Role
        from hosts import tabs
        from hosts.networks import access, listing
        from jobs import kinds, subjects
        from live import audience
        from live.tabs import Tab

        audience.register("network", access.visible_ids)
        subjects.register("network", subjects.Look("networks:network", "network"))
        tabs.PARTS.add(Tab("networks", _("Networks"), "networks:of-host", 40, Role.VIEWER, badge=listing.count_of))
        looks = ("networks", "dhcp")
        kinds.declare(
            kinds.Kind("hosts.networks.start_network", "Start network", "player-play", stirs=looks),
            kinds.Kind("hosts.networks.stop_network", "Stop network", "player-stop", stirs=looks),
            kinds.Kind("hosts.networks.restart_network", "Restart network", "refresh", stirs=looks),
            kinds.Kind("hosts.networks.set_network_autostart", "Set autostart of network", "power", stirs=looks),
            kinds.Kind("hosts.networks.delete_network", "Delete network", "trash", stirs=looks),
            kinds.Kind("hosts.networks.change_network", "Change network", "edit", stirs=looks),
            # About the host, which other jobs may be about meanwhile: libvirt refuses a second network of the name.
            kinds.Kind("hosts.networks.create_network", "Create network", "plus", changing=False, stirs=looks),
        )
