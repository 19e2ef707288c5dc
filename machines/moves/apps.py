from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from hosts.models import Host


class MovesConfig(AppConfig):
    name = "machines.moves"
    label = "moves"

    def ready(self) -> None:
        from accounts.roles import Role
        from hosts import tabs
        from jobs import kinds, subjects
        from live.tabs import Deed, Tab
        from machines import tabs as machine_tabs
        from machines.migration.actions import refusal

        machine_tabs.PARTS.add(
            Tab("move", _("Migrate"), "moves:one", 60, Role.MANAGER),
            Deed("move", _("Migrate"), "arrows-right-left", "moves:one", 30, Role.MANAGER, why_not=refusal, dialog=False),
        )
        subjects.register("moves", subjects.Look("moves:round", "arrows-right-left"))
        tabs.PARTS.add(
            Tab("maintenance", _("Maintenance"), "moves:maintenance", 70, Role.VIEWER, warns=_is_on),
            Deed("maintenance", _("Maintenance"), "tool", "moves:maintenance", 70, Role.MANAGER, why_not=_why_not, dialog=False),
        )
        kinds.declare(
            kinds.Kind("machines.moves.drain", "Maintenance", "tool", cancellable=True, stops=_STOPS),
            kinds.Kind("machines.moves.bring_back", "End of maintenance", "arrow-back-up", cancellable=True, stops=_STOPS),
            kinds.Kind("machines.moves.try_reach", "Try the way to other hosts", "plug-connected", changing=False),
            kinds.Kind("machines.moves.move", "Move", "arrows-right-left", cancellable=True, stops=_STOPS),
        )


_STOPS: Any = _("Moves that have not begun are taken out of the queue, and those that run are stopped: these machines stay where they are.")


def _is_on(host: Host) -> bool:
    return host.in_maintenance


def _why_not(host: Host) -> str:
    return "" if host.enabled else str(_("It is disabled."))
