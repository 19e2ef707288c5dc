"""New machines, copies, names, deletion."""

from __future__ import annotations

from typing import Any

from accounts.roles import Role
from machines.creation.models import Creation
from tests.security.rows import SIGNED_IN, Kind, Row, does, reads
from tests.security.world import Thing


def _creation(thing: Thing) -> dict[str, Any]:
    row = Creation.objects.create(host=thing.host, uuid=f"11111111-0000-4000-8000-{thing.host.pk:012d}", name="on-its-way")
    return {"pk": row.pk, "creation_id": row.pk}


KINDS = {"creation": Kind("host", _creation)}

# Whoever may make machines on some host: tests/integration/creation/test_pages.py.
ASKED_ELSEWHERE = {"creation:new"}

PAGES: dict[str, Row] = {
    "creation:creation": reads(Role.VIEWER, "creation"),
    "creation:delete-many": does(SIGNED_IN, body=lambda world: {"ids": [world.near.machine.pk, world.far.machine.pk]}, changes=False),
    "creation:clone": does(Role.MANAGER, "machine", {"name": "copy"}, asks=True, changes=False),
    "creation:rename": does(Role.MANAGER, "machine", {"name": "renamed"}, asks=True),
    "creation:delete": does(Role.MANAGER, "machine", {"typed": "machine-near"}, asks=True),
}

CALLS: dict[str, Row] = {
    "POST /machines": does(SIGNED_IN, body={"machines": [{"name": "new"}]}, changes=False),
    "GET /machines/creations/{creation_id}": reads(Role.VIEWER, "creation"),
    "POST /machines/{machine_id}/clones": does(Role.MANAGER, "machine", {"name": "copy"}, changes=False),
    "PUT /machines/{machine_id}/name": does(Role.MANAGER, "machine", {"name": "renamed"}, method="PUT"),
    "POST /machines/{machine_id}/deletion": does(Role.MANAGER, "machine", {"name": "machine-near"}),
}
