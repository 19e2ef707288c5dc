from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from machines.models import Machine


class SnapshotsConfig(AppConfig):
    name = "machines.snapshots"
    label = "snapshots"

    def ready(self) -> None:
        from accounts.roles import Role
        from hosts.storage import users
        from jobs import kinds
        from live.tabs import Deed, Tab
        from machines import tabs
        from machines.snapshots import actions, on_storage

        tabs.PARTS.add(
            Tab("snapshots", _("Snapshots"), "snapshots:list", 30, Role.VIEWER, badge=_count, warns=_unmerged),
            Deed("snapshot", _("Take snapshot"), "camera", "snapshots:create", 20, Role.OPERATOR, why_not=actions.refusal, button=True),
        )
        users.register(on_storage.uses)
        again = ("snapshots", "pool")
        kinds.declare(
            kinds.Kind("machines.snapshots.create", "Take snapshot", "camera", quick=False, cancellable=True, stirs=again),
            kinds.Kind("machines.snapshots.revert", "Revert to snapshot", "arrow-back-up", quick=False, stirs=again),
            kinds.Kind("machines.snapshots.delete", "Delete snapshot", "trash", quick=False, cancellable=True, stirs=again),
            kinds.Kind("machines.snapshots.merge", "Merge snapshot files", "stack-2", quick=False, cancellable=True, stirs=again),
            kinds.Kind("machines.snapshots.describe", "Describe snapshot", "edit", stirs=again),
        )


def _count(machine: Machine) -> int:
    return machine.snapshots.count()


def _unmerged(machine: Machine) -> bool:
    return machine.unmerged.exists()
