"""Snapshots have the rights of their machine."""

from __future__ import annotations

from typing import Any

from accounts.roles import Role
from machines.snapshots.models import Picture, Snapshot, Unmerged
from tests.security.rows import SIGNED_IN, Kind, does, reads
from tests.security.world import Thing


def _snapshot(thing: Thing) -> dict[str, Any]:
    made = Snapshot.objects.create(machine=thing.machine, name="before")
    Picture.objects.create(machine=thing.machine, name="before", image=b"png")
    Unmerged.objects.create(machine=thing.machine, target="vda", file="/pool/a.qcow2")
    # An address names it by its machine's number and its own; the API calls them so.
    return {"pk": thing.machine.pk, "snapshot": made.pk, "machine_id": thing.machine.pk, "snapshot_id": made.pk}


KINDS = {"snapshot": Kind("machine", _snapshot)}
_NEW = {"name": "new", "what": "disks", "kind": "auto"}

PAGES = {
    "snapshots:list": reads(Role.VIEWER, "machine"),
    "snapshots:create": does(Role.OPERATOR, "machine", _NEW, asks=True, changes=False),  # it has no disk
    "snapshots:merge": does(Role.OPERATOR, "machine"),
    "snapshots:revert": does(Role.OPERATOR, "snapshot", {"keep": "1", "first": "now"}, asks=True),
    "snapshots:delete": does(Role.OPERATOR, "snapshot", {"children": "1"}, asks=True),
    "snapshots:describe": does(Role.OPERATOR, "snapshot", {"description": "mine"}, asks=True),
    "snapshots:picture": reads(Role.VIEWER, "snapshot"),
    "snapshots:bulk": does(SIGNED_IN, body=lambda world: {"name": "all", "ids": [world.near.machine.pk, world.far.machine.pk]}, asks=True, changes=False),
}

CALLS = {
    "POST /machines/snapshots": does(SIGNED_IN, body=lambda world: {"name": "all", "ids": [world.near.machine.pk, world.far.machine.pk]}, changes=False),
    "GET /machines/{machine_id}/snapshots": reads(Role.VIEWER, "machine"),
    "POST /machines/{machine_id}/snapshots": does(Role.OPERATOR, "machine", {"name": "new"}),
    "POST /machines/{machine_id}/snapshots/merge": does(Role.OPERATOR, "machine"),
    "POST /machines/{machine_id}/snapshots/{snapshot_id}/revert": does(Role.OPERATOR, "snapshot", {"first": "now"}),
    "PUT /machines/{machine_id}/snapshots/{snapshot_id}/description": does(Role.OPERATOR, "snapshot", {"description": "mine"}, method="PUT"),
    "DELETE /machines/{machine_id}/snapshots/{snapshot_id}": does(Role.OPERATOR, "snapshot", method="DELETE"),
}
