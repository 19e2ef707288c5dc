from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class HardwareConfig(AppConfig):
    name = "machines.hardware"
    label = "hardware"

    def ready(self) -> None:
        from accounts.roles import Role
        from jobs import kinds
        from live.tabs import Deed, Tab
        from machines import tabs
        from machines.hardware import actions, page

        tabs.PARTS.add(
            Tab("hardware", _("Hardware"), "hardware:hardware", 20, Role.VIEWER, badge=page.badge),
            Tab("xml", _("XML"), "hardware:xml", 70, Role.OPERATOR),
            Deed("tags", _("Tags"), "tag", "hardware:tags", 60, Role.OPERATOR),
            Deed("guest-password", _("Set a password in the guest"), "lock", "hardware:password", 70, Role.MANAGER, why_not=actions.agent_refusal),
            Deed("guest-key", _("Add an SSH key in the guest"), "key", "hardware:ssh-key", 71, Role.MANAGER, why_not=actions.agent_refusal),
        )
        kinds.declare(
            kinds.Kind("machines.hardware.apply", "Change hardware", "settings", stirs=("pool",)),
            kinds.Kind("machines.hardware.define", "Change the definition", "file-code"),
            kinds.Kind("machines.hardware.resize", "Grow a disk", "arrow-up", stirs=("pool",)),
            kinds.Kind("machines.hardware.set_password", "Set a password in the guest", "lock"),
            kinds.Kind("machines.hardware.add_ssh_key", "Add an SSH key in the guest", "key"),
        )
