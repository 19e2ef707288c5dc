"""Whether a host is ready for machines."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReadinessConfig(AppConfig):
    name = "hosts.readiness"
    label = "readiness"

    def ready(self) -> None:
        from accounts.roles import Role
        from hosts import tabs
        from hosts.readiness import report
        from live.tabs import Tab

        tabs.PARTS.add(Tab("readiness", _("Readiness"), "readiness:of-host", 60, Role.VIEWER, warns=report.is_not_ready))
