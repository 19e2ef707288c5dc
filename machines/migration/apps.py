from __future__ import annotations

from django.apps import AppConfig


class MigrationConfig(AppConfig):
    name = "machines.migration"
    label = "migration"

    def ready(self) -> None:
        from django.conf import settings

        from jobs import kinds, lanes
        from machines.migration import figures

        for lane in ("moves-out", "moves-in", "moves-link"):
            lanes.limit(lane, lambda: settings.MOVES_AT_ONCE)
        kinds.declare(
            kinds.Kind(
                "machines.migration.move",
                "Move",
                "arrows-right-left",
                quick=False,
                bulk=True,
                cancellable=True,
                tells=figures.words,
                stirs=("pool", "snapshots"),
            ),
        )
