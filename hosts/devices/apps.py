from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DevicesConfig(AppConfig):
    name = "hosts.devices"
    label = "devices"

    def ready(self) -> None:
        from accounts.roles import Role
        from hosts import tabs
        from hosts.devices import listing
        from live.tabs import Tab

        tabs.PARTS.add(Tab("devices", _("Devices"), "devices:of-host", 50, Role.VIEWER, badge=listing.count_of))
