from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MigrationConfig(AppConfig):
    name = "machines.migration"
    label = "migration"

    def ready(self) -> None:
        from django.conf import settings

        from accounts.rights import ADMINISTRATOR
        from hosts import tabs
        from jobs import kinds, lanes
        from live.tabs import Deed
        from machines import tabs as machine_tabs
        from machines.migration import actions, figures

        for lane in ("moves-out", "moves-in", "moves-link"):
            lanes.limit(lane, lambda: settings.MOVES_AT_ONCE)
        tabs.PARTS.add(Deed("migration-address", _("Migration address…"), "map-pin", "migration:address", 70, ADMINISTRATOR))
        machine_tabs.PARTS.watch(actions.notice)
        stirred = ("pool", "snapshots")
        kinds.declare(
            kinds.Kind(
                "machines.migration.move",
                "Move",
                "arrows-right-left",
                quick=False,
                bulk=True,
                cancellable=True,
                tells=figures.words,
                stirs=stirred,
                again=actions.move_again,
            ),
            kinds.Kind(
                "machines.migration.resume",
                "Resume a broken move",
                "arrows-right-left",
                quick=False,
                bulk=True,
                cancellable=True,
                tells=figures.words,
                stirs=stirred,
                again=actions.resume_again,
                stops=_("No more is tried. Both halves stay as they are."),
            ),
            kinds.Kind("machines.migration.clean_up", "Clean up after a move", "trash", quick=False, stirs=stirred),
        )
