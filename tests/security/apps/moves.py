"""Maintenance has the rights of its host; a selection those of its machines and of the hosts they go to."""

from __future__ import annotations

from typing import Any

from accounts.roles import Role
from jobs.models import Job
from machines.moves.models import Part, Round
from tests.security.rows import SIGNED_IN, Kind, Row, does, reads
from tests.security.world import Thing


def _round(thing: Thing) -> dict[str, Any]:
    """Under way, and of one machine: whoever sees it sees the round."""
    made = Round.objects.create(kind="selection")
    made.job = Job.objects.create(
        kind="machines.moves.move", subject_type="moves", subject_id=made.pk, subject_name="1 machine", host_id=thing.host.pk, host_name=thing.host.name,
        changing=False, state="running", wait_until="2999-01-01T00:00:00Z",
    )  # fmt: skip
    made.save()
    Part.objects.create(round=made, machine=thing.machine, name=thing.machine.name, deed="leave", origin=thing.host, state="left")
    return {"pk": made.pk}


KINDS = {"round": Kind("machine", _round)}

_BOTH = {"stuck": "leave", "off": "leave", "do": "go"}

PAGES = {
    "moves:one": does(Role.MANAGER, "machine", {"form": "1", "to": "999999", "do": "go"}, asks=True, changes=False),  # its host has nowhere to send it
    "moves:maintenance": does(Role.MANAGER, "host", _BOTH),
    "moves:end": does(Role.MANAGER, "host", {"back": "0"}, asks=True, changes=False),  # it is in none
    "moves:selection": does(
        SIGNED_IN,
        body=lambda world: {"ids": [world.near.machine.pk, world.far.machine.pk], "stuck": "leave", "off": "leave", "do": "go"},
        asks=True,
        changes=False,
    ),
    "moves:round": reads(Role.VIEWER, "round"),
    "moves:stop": does(Role.MANAGER, "round"),
}
PAGES["moves:maintenance"].needs["GET"] = Role.VIEWER

CALLS: dict[str, Row] = {
    "GET /hosts/{host_id}/maintenance": reads(Role.MANAGER, "host"),
    "POST /hosts/{host_id}/maintenance": does(Role.MANAGER, "host"),
    "DELETE /hosts/{host_id}/maintenance": does(Role.MANAGER, "host", changes=False, method="DELETE"),  # it is in none
    "POST /moves": does(SIGNED_IN, body=lambda world: {"machine_ids": [world.near.machine.pk, world.far.machine.pk]}, changes=False),
}
