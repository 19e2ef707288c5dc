"""What the page of a machine's snapshots shows, put as a person reads it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import Role
from machines import access
from machines.models import Machine
from machines.snapshots import actions
from machines.snapshots.models import Picture, Snapshot
from machines.snapshots.tree import Tree, below, tree_of
from virt.errors import Invalid
from virt.xml.parse import parse


class Snapshots:
    """One machine's, as one person may see them. `at`: the one that was chosen."""

    def __init__(self, machine: Machine, user: User, at: int | None = None) -> None:
        self.machine = machine
        self._user = user
        self._at = at

    @cached_property
    def rows(self) -> list[Snapshot]:
        return list(self.machine.snapshots.defer("xml"))

    @cached_property
    def tree(self) -> Tree:
        return tree_of(self.rows)

    @property
    def acts(self) -> bool:
        return access.may(self._user, self.machine, Role.OPERATOR) and not self.machine.gone_at

    @cached_property
    def why_not(self) -> str:
        return actions.refusal(self.machine)

    @property
    def kept_bytes(self) -> int | None:
        sizes = [row.size_bytes for row in self.rows if row.size_bytes is not None]
        return sum(sizes) if sizes else None

    @property
    def now_bytes(self) -> int | None:
        trunk = getattr(self.machine, "trunk", None)
        return trunk.now_bytes if trunk else None

    @cached_property
    def unmerged(self) -> int:
        return self.machine.unmerged.count()

    @cached_property
    def chosen(self) -> Snapshot | None:
        """The one asked for, else where the machine came from, else the newest."""
        found = next((row for row in self.rows if row.pk == self._at), None) or next((row for row in self.rows if row.current), None)
        return found or (self.rows[-1] if self.rows else None)

    @cached_property
    def has_picture(self) -> bool:
        chosen = self.chosen
        if chosen is None:
            return False
        return Picture.objects.filter(machine=self.machine, name=chosen.name).exists()

    @cached_property
    def after(self) -> list[Snapshot]:
        """What came after the chosen one."""
        return below(self.chosen, self.rows) if self.chosen else []


def kind_words(snapshot: Snapshot) -> str:
    """What it holds, in short."""
    return _("disks and memory") if snapshot.has_memory else _("disks")


def disks_lost(machine: Machine, snapshot: Snapshot) -> list[str]:
    """Disks that the machine has now and did not have then: reverting takes them off it, and leaves their files."""
    then = set(_targets(snapshot.xml))
    return [disk["target"] for disk in machine.disks if then and disk.get("device", "disk") == "disk" and disk.get("target") not in then]


def _targets(xml: str) -> list[Any]:
    try:
        return [node.get("dev") for node in parse(xml).iterfind("domain/devices/disk/target")]
    except Invalid:
        return []
