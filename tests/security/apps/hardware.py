"""Hardware, definitions, tags, and what a guest's agent is asked."""

from __future__ import annotations

from accounts.roles import Role
from tests.security.rows import Kind, Row, does, reads

_TITLE = {"title": "new", "description": "", "based_on": "d", "confirmed": "1"}
_EDIT = {"based_on": "d", "edits": [{"verb": "change", "kind": "general", "key": "0", "values": {"title": "new"}}]}
_XML = {"based_on": "d", "xml": "<domain><title>new</title></domain>"}

KINDS: dict[str, Kind] = {
    "side": Kind("machine", lambda thing: {"pk": thing.machine.pk, "kind": "general", "key": "0"}),
    "edit-outcome": Kind("machine", lambda thing: {"pk": thing.machine.pk, "job": thing.job.pk}),
    "new-device": Kind("machine", lambda thing: {"pk": thing.machine.pk, "kind": "input"}),
    "machine-disk": Kind("machine", lambda thing: {"pk": thing.machine.pk, "key": "vda"}),
}

PAGES: dict[str, Row] = {
    "hardware:hardware": reads(Role.VIEWER, "machine"),
    "hardware:compare": reads(Role.VIEWER, "machine"),
    "hardware:outcome": reads(Role.VIEWER, "edit-outcome"),
    "hardware:add": does(Role.MANAGER, "new-device", {"type": "tablet", "bus": "usb", "based_on": "d", "confirmed": "1"}, asks=True),
    "hardware:device": Row({"GET": Role.VIEWER, "POST": Role.MANAGER}, "side", _TITLE),
    "hardware:remove": does(Role.MANAGER, "side", {"based_on": "d"}, asks=True, changes=False),  # titles are not removed
    "hardware:grow": does(Role.MANAGER, "machine-disk", {"size": "40 GiB"}, asks=True),
    "hardware:xml": Row({"GET": Role.OPERATOR, "POST": Role.MANAGER}, "machine", {**_XML, "confirmed": "1"}),
    "hardware:between": reads(Role.OPERATOR, "machine"),
    "hardware:restore": does(Role.MANAGER, "machine", {"based_on": "d"}, asks=True, changes=False),  # it is the newest one
    "hardware:tags": does(Role.OPERATOR, "machine", {"tags": "prod db"}, asks=True),
    "hardware:password": does(Role.MANAGER, "machine", {"user": "root", "password": "secret"}, asks=True, changes=False),  # it is off
    "hardware:ssh-key": does(Role.MANAGER, "machine", {"user": "root", "key": "x"}, asks=True, changes=False),
}

CALLS: dict[str, Row] = {
    "GET /machines/{machine_id}/hardware": reads(Role.VIEWER, "machine"),
    "PATCH /machines/{machine_id}/hardware": does(Role.MANAGER, "machine", _EDIT, method="PATCH"),
    "GET /machines/{machine_id}/definition": reads(Role.OPERATOR, "machine"),
    "PUT /machines/{machine_id}/definition": does(Role.MANAGER, "machine", _XML, method="PUT"),
    "PUT /machines/{machine_id}/disk-size": does(Role.MANAGER, "machine", {"target": "vda", "size_bytes": 2**35}, method="PUT"),
    "PUT /machines/{machine_id}/tags": does(Role.OPERATOR, "machine", {"tags": ["prod", "db"]}, method="PUT"),
}
