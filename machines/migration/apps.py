from __future__ import annotations

from django.apps import AppConfig


class MigrationConfig(AppConfig):
    name = "machines.migration"
    label = "migration"

    def ready(self) -> None:
        from django.conf import settings

        from jobs import kinds, lanes

        for lane in ("moves-out", "moves-in", "moves-link"):
            lanes.limit(lane, lambda: settings.MOVES_AT_ONCE)
        again = ("pool", "snapshots")
        kinds.declare(
            kinds.Kind("machines.migration.move", "Move", "arrows-right-left", quick=False, cancellable=True, stirs=again),
            kinds.Kind("machines.migration.clean_up", "Clean up after a move", "trash", quick=False, stirs=again),
        )
