"""Consoles: tickets, state, invitations. What a bridge does with a ticket is tests/integration/consoles."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from consoles.models import ConsoleShare
from tests.security.rows import SIGNED_IN, Kind, Row, does, reads
from tests.security.world import Thing


def _share(thing: Thing) -> dict[str, Any]:
    """Made by a manager of the fleet who is none of the world's people."""
    until = timezone.now() + timedelta(hours=1)
    digest = hashlib.sha256(f"share of {thing.machine.name}".encode()).hexdigest()
    share = ConsoleShare.objects.create(machine=thing.machine, digest=digest, made_by=User.objects.get(username="spare"), until=until)
    return {"pk": share.pk, "share_id": share.pk}


KINDS = {"console share": Kind("machine", _share)}

# The machines of the world are off: tickets are refused with the reason, and nothing changes.
PAGES: dict[str, Row] = {
    "consoles:wall": reads(SIGNED_IN),
    "consoles:page": reads(Role.VIEWER, "machine"),
    "consoles:tickets": does(Role.CONSOLE, "machine", {"kind": "vnc"}, changes=False),
    "consoles:state": reads(Role.VIEWER, "machine"),
    "consoles:viewer-file": reads(Role.CONSOLE, "machine"),
    "consoles:shares": Row({"GET": Role.VIEWER, "POST": Role.CONSOLE}, "machine", {"minutes": "10", "to": ""}),
    "consoles:revoke-share": does(Role.MANAGER, "console share"),
}
# By the token of an invitation, whoever has no role at all: tests/integration/consoles/test_shares.py.
ASKED_ELSEWHERE = {"consoles:shared"}
CALLS: dict[str, Row] = {
    "GET /machines/{machine_id}/console": reads(Role.VIEWER, "machine"),
    "POST /machines/{machine_id}/console": does(Role.CONSOLE, "machine", {"kind": "vnc"}, changes=False),
    "POST /machines/{machine_id}/console/shares": does(Role.CONSOLE, "machine", {"minutes": 10, "view_only": False}),
    "GET /consoles": reads(SIGNED_IN),
    "DELETE /consoles/shares/{share_id}": does(Role.MANAGER, "console share", method="DELETE"),
}
