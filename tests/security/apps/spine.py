"""The spine: pages and calls of people, jobs, hosts and machines."""

from __future__ import annotations

from accounts.rights import ADMINISTRATOR
from accounts.roles import Role
from hosts import keys
from tests.security.rows import ANYBODY, SIGNED_IN, Row, does, reads
from tests.security.world import OFFERED

PASSWORD = "another long one 5"
HOST = {"kind": "ssh", "name": "third", "address": "third.example", "key": "portal"}
_TYPED = {"typed": "near"}
_FINGERPRINT = {"fingerprint": keys.fingerprint(OFFERED)}

PAGES: dict[str, Row] = {
    "healthz": Row({"GET": ANYBODY}),
    "readyz": Row({"GET": ANYBODY}),
    "api-1:openapi-json": Row({"GET": ANYBODY}),
    "api-1:openapi-view": Row({"GET": ANYBODY}),
    "account_login": Row({"GET": ANYBODY, "POST": ANYBODY}, changes=False),
    "account_setup": Row({"GET": ANYBODY, "POST": ANYBODY}, changes=False),
    "account_logout": does(SIGNED_IN, changes=False),
    "account": reads(SIGNED_IN),
    "account_change_password": does(SIGNED_IN, body={"old": "x", "password": PASSWORD, "again": PASSWORD}, changes=False),
    "account_tokens": does(SIGNED_IN, body={"name": "t", "days": "30"}),
    "people:list": reads(ADMINISTRATOR),
    "people:add": does(ADMINISTRATOR, body={"username": "new", "password": PASSWORD, "again": PASSWORD}, asks=True),
    "people:audit": reads(ADMINISTRATOR),
    "people:audit-csv": reads(ADMINISTRATOR),
    "people:person": reads(ADMINISTRATOR, "person"),
    "people:name": does(ADMINISTRATOR, "person", {"full_name": "New"}),
    "people:grant": does(ADMINISTRATOR, "person", {"scope": "fleet", "role": "40"}),
    "people:withdraw": does(ADMINISTRATOR, "person"),
    "people:administrator": does(ADMINISTRATOR, "person", {"on": "1"}),
    "people:active": does(ADMINISTRATOR, "person", {"on": "0"}),
    "people:password": does(ADMINISTRATOR, "person", {"password": PASSWORD, "again": PASSWORD}),
    "people:revoke-token": does(ADMINISTRATOR, "person"),
    "jobs:list": reads(SIGNED_IN),
    "jobs:drawer": reads(SIGNED_IN),
    "jobs:job": reads(Role.VIEWER, "job"),
    "jobs:log": reads(Role.VIEWER, "job"),
    "jobs:cancel": does(Role.OPERATOR, "job"),
    "jobs:again": does(Role.OPERATOR, "job", changes=False),  # it has not ended
    "hosts:list": reads(SIGNED_IN),
    "hosts:rows": reads(SIGNED_IN),
    "hosts:whole-tree": reads(SIGNED_IN),
    "hosts:add": does(ADMINISTRATOR, body=HOST, asks=True),
    "hosts:host": reads(Role.VIEWER, "host"),
    "hosts:tree": reads(Role.VIEWER, "host"),
    "hosts:log": reads(Role.VIEWER, "host"),
    "hosts:metrics": reads(Role.VIEWER, "host"),
    "hosts:edit": does(ADMINISTRATOR, "host", {**HOST, "name": "renamed", "address": "near.example", "revision": "1"}, asks=True),
    "hosts:test": Row({"GET": Role.VIEWER, "POST": Role.MANAGER}, "host"),
    "hosts:key": Row({"GET": Role.VIEWER, "POST": ADMINISTRATOR}, "host", _FINGERPRINT),
    "hosts:enable": does(Role.MANAGER, "host", changes=False),  # it is enabled; its key is not confirmed
    "hosts:disable": does(Role.MANAGER, "host", changes=False),  # a job of its machine is not finished
    "hosts:remove": does(ADMINISTRATOR, "host", _TYPED, asks=True),
    "hosts:try-it": does(Role.MANAGER, "host", changes=False),  # it has machines already
    "machines:list": reads(SIGNED_IN),
    "machines:rows": reads(SIGNED_IN),
    "machines:csv": reads(SIGNED_IN),
    "machines:bulk-power": does(SIGNED_IN, body=lambda world: {"action": "start", "ids": [world.near.machine.pk, world.far.machine.pk]}, changes=False),
    "machines:machine": reads(Role.VIEWER, "machine"),
    "machines:history": reads(Role.VIEWER, "machine"),
    "machines:definition": reads(Role.OPERATOR, "machine"),
    "machines:metrics": reads(Role.VIEWER, "machine"),
    "machines:screen": reads(Role.VIEWER, "machine"),
    "machines:power": does(Role.OPERATOR, "machine", {"action": "start"}, asks=True),
    "machines:autostart": does(Role.OPERATOR, "machine", {"on": "1"}),
    "machines:notes": does(Role.OPERATOR, "machine", {"notes": "mine", "version": "0"}, asks=True, changes=False),
    "webvirt:dashboard": reads(SIGNED_IN),
    "webvirt:search": reads(SIGNED_IN),
}

# Whose rights are not those on a host or machine: each has a test of its own below the matrix.
ASKED_ELSEWHERE = {"account_revoke_token", "machines:batch", "api-1:api-root"}

CALLS: dict[str, Row] = {
    "GET /me": reads(SIGNED_IN),
    "GET /hosts": reads(SIGNED_IN),
    "POST /hosts": does(ADMINISTRATOR, body=HOST),
    "GET /hosts/{host_id}": reads(Role.VIEWER, "host"),
    "PUT /hosts/{host_id}": does(ADMINISTRATOR, "host", {**HOST, "name": "renamed", "address": "near.example", "revision": 1}, method="PUT"),
    "DELETE /hosts/{host_id}": does(ADMINISTRATOR, "host", {"name": "near"}, method="DELETE"),
    "POST /hosts/{host_id}/test": does(Role.MANAGER, "host"),
    "PUT /hosts/{host_id}/key": does(ADMINISTRATOR, "host", _FINGERPRINT, method="PUT"),
    "PUT /hosts/{host_id}/enable": does(Role.MANAGER, "host", method="PUT", changes=False),
    "PUT /hosts/{host_id}/disable": does(Role.MANAGER, "host", method="PUT", changes=False),
    "GET /hosts/{host_id}/metrics": reads(Role.VIEWER, "host"),
    "GET /machines": reads(SIGNED_IN),
    "POST /machines/power": does(SIGNED_IN, body=lambda world: {"action": "start", "ids": [world.near.machine.pk, world.far.machine.pk]}, changes=False),
    "GET /machines/{machine_id}": reads(Role.VIEWER, "machine"),
    "PUT /machines/{machine_id}/power": does(Role.OPERATOR, "machine", {"action": "start"}, method="PUT"),
    "PUT /machines/{machine_id}/autostart": does(Role.OPERATOR, "machine", {"on": True}, method="PUT"),
    "GET /machines/{machine_id}/metrics": reads(Role.VIEWER, "machine"),
    "GET /jobs": reads(SIGNED_IN),
    "GET /jobs/{job_id}": reads(Role.VIEWER, "job"),
    "GET /jobs/{job_id}/log": reads(Role.VIEWER, "job"),
    "POST /jobs/{job_id}/cancel": does(Role.OPERATOR, "job"),
    "POST /jobs/{job_id}/again": does(Role.OPERATOR, "job", changes=False),  # it has not ended
}
