"""New machines: made, imported, copied, renamed, deleted."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CreationConfig(AppConfig):
    name = "machines.creation"
    label = "creation"

    def ready(self) -> None:
        from accounts.roles import Role
        from jobs import kinds, subjects
        from live import audience
        from live.tabs import Deed
        from machines import tabs
        from machines.creation import access, actions

        audience.register("creation", access.visible_ids)
        subjects.register("creation", subjects.Look("creation:creation", "plus"))
        pool = ("pool",)  # the study that looks again
        kinds.declare(
            kinds.Kind("machines.creation.create", "Create", "plus", cancellable=True, quick=False, stirs=pool),
            kinds.Kind("machines.creation.clone", "Clone", "copy", cancellable=True, quick=False, stirs=pool),
            kinds.Kind("machines.creation.clean_up", "Clean up after", "trash", quick=False, stirs=pool),
            kinds.Kind("machines.creation.rename", "Rename", "edit"),
            kinds.Kind("machines.creation.delete", "Delete", "trash", quick=False, stirs=pool),
        )
        tabs.PARTS.add(
            Deed("clone", _("Clone…"), "copy", "creation:clone", 40, Role.MANAGER, actions.why_not_clone),
            Deed("rename", _("Rename…"), "edit", "creation:rename", 50, Role.MANAGER, actions.why_not_rename),
            Deed("delete", _("Delete…"), "trash", "creation:delete", 90, Role.MANAGER, actions.why_not_delete, danger=True),
        )
