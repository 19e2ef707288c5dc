"""Every address of the portal with what it needs. An address that is missing here fails tests/security/test_rights.py.

A row says, for each method: the role it needs on the object that the address names, or ADMINISTRATOR, or SIGNED_IN.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from accounts.rights import ADMINISTRATOR
from accounts.roles import Role
from hosts import keys
from tests.security.world import OFFERED, World
from webvirt.api import api

SIGNED_IN = 0
ANYBODY = -1
PASSWORD = "another long one 5"
HOST = {"kind": "ssh", "name": "third", "address": "third.example", "key": "portal"}


@dataclass(frozen=True)
class Row:
    """`about`: the kind of object whose rights count. `body`: makes sense, so that who may, changes something."""

    needs: dict[str, int]
    about: str = ""
    body: dict[str, Any] | Callable[[World], dict[str, Any]] = field(default_factory=dict)
    changes: bool = True  # a POST (PUT, DELETE) of who may

    def data(self, world: World) -> dict[str, Any]:
        return self.body(world) if callable(self.body) else self.body


def _reads(role: int, about: str = "") -> Row:
    return Row({"GET": role}, about)


def _does(role: int, about: str = "", body: Any = None, *, asks: bool = False, changes: bool = True, method: str = "POST") -> Row:
    return Row({"GET": role, method: role} if asks else {method: role}, about, body or {}, changes)


_TYPED = {"typed": "near"}
_FINGERPRINT = {"fingerprint": keys.fingerprint(OFFERED)}

PAGES: dict[str, Row] = {
    "healthz": Row({"GET": ANYBODY}),
    "readyz": Row({"GET": ANYBODY}),
    "api-1:openapi-json": Row({"GET": ANYBODY}),
    "api-1:openapi-view": Row({"GET": ANYBODY}),
    "account_login": Row({"GET": ANYBODY, "POST": ANYBODY}, changes=False),
    "account_setup": Row({"GET": ANYBODY, "POST": ANYBODY}, changes=False),
    "account_logout": _does(SIGNED_IN, changes=False),
    "account": _reads(SIGNED_IN),
    "account_change_password": _does(SIGNED_IN, body={"old": "x", "password": PASSWORD, "again": PASSWORD}, changes=False),
    "account_tokens": _does(SIGNED_IN, body={"name": "t", "days": "30"}),
    "people:list": _reads(ADMINISTRATOR),
    "people:add": _does(ADMINISTRATOR, body={"username": "new", "password": PASSWORD, "again": PASSWORD}, asks=True),
    "people:audit": _reads(ADMINISTRATOR),
    "people:audit-csv": _reads(ADMINISTRATOR),
    "people:person": _reads(ADMINISTRATOR, "person"),
    "people:name": _does(ADMINISTRATOR, "person", {"full_name": "New"}),
    "people:grant": _does(ADMINISTRATOR, "person", {"scope": "fleet", "role": "40"}),
    "people:withdraw": _does(ADMINISTRATOR, "person"),
    "people:administrator": _does(ADMINISTRATOR, "person", {"on": "1"}),
    "people:active": _does(ADMINISTRATOR, "person", {"on": "0"}),
    "people:password": _does(ADMINISTRATOR, "person", {"password": PASSWORD, "again": PASSWORD}),
    "people:revoke-token": _does(ADMINISTRATOR, "person"),
    "jobs:list": _reads(SIGNED_IN),
    "jobs:drawer": _reads(SIGNED_IN),
    "jobs:job": _reads(Role.VIEWER, "job"),
    "jobs:log": _reads(Role.VIEWER, "job"),
    "jobs:cancel": _does(Role.OPERATOR, "job"),
    "hosts:list": _reads(SIGNED_IN),
    "hosts:rows": _reads(SIGNED_IN),
    "hosts:whole-tree": _reads(SIGNED_IN),
    "hosts:add": _does(ADMINISTRATOR, body=HOST, asks=True),
    "hosts:host": _reads(Role.VIEWER, "host"),
    "hosts:tree": _reads(Role.VIEWER, "host"),
    "hosts:log": _reads(Role.VIEWER, "host"),
    "hosts:metrics": _reads(Role.VIEWER, "host"),
    "hosts:edit": _does(ADMINISTRATOR, "host", {**HOST, "name": "renamed", "address": "near.example", "revision": "1"}, asks=True),
    "hosts:test": Row({"GET": Role.VIEWER, "POST": Role.MANAGER}, "host"),
    "hosts:key": Row({"GET": Role.VIEWER, "POST": ADMINISTRATOR}, "host", _FINGERPRINT),
    "hosts:enable": _does(Role.MANAGER, "host", changes=False),  # it is enabled; its key is not confirmed
    "hosts:disable": _does(Role.MANAGER, "host", changes=False),  # a job of its machine is not finished
    "hosts:remove": _does(ADMINISTRATOR, "host", _TYPED, asks=True),
    "hosts:try-it": _does(Role.MANAGER, "host", changes=False),  # it has machines already
    "machines:list": _reads(SIGNED_IN),
    "machines:rows": _reads(SIGNED_IN),
    "machines:csv": _reads(SIGNED_IN),
    "machines:bulk-power": _does(SIGNED_IN, body=lambda world: {"action": "start", "ids": [world.near.machine.pk, world.far.machine.pk]}, changes=False),
    "machines:machine": _reads(Role.VIEWER, "machine"),
    "machines:history": _reads(Role.VIEWER, "machine"),
    "machines:definition": _reads(Role.OPERATOR, "machine"),
    "machines:metrics": _reads(Role.VIEWER, "machine"),
    "machines:screen": _reads(Role.CONSOLE, "machine"),
    "machines:power": _does(Role.OPERATOR, "machine", {"action": "start"}, asks=True),
    "machines:autostart": _does(Role.OPERATOR, "machine", {"on": "1"}),
    "machines:notes": _does(Role.OPERATOR, "machine", {"notes": "mine", "version": "0"}, asks=True, changes=False),
    "webvirt:dashboard": _reads(SIGNED_IN),
    "webvirt:search": _reads(SIGNED_IN),
}

# Whose rights are not those on a host or machine: each has a test of its own below the matrix.
ASKED_ELSEWHERE = {"account_revoke_token", "machines:batch", "api-1:api-root"}

CALLS: dict[str, Row] = {
    "GET /me": _reads(SIGNED_IN),
    "GET /hosts": _reads(SIGNED_IN),
    "POST /hosts": _does(ADMINISTRATOR, body=HOST),
    "GET /hosts/{host_id}": _reads(Role.VIEWER, "host"),
    "PUT /hosts/{host_id}": _does(ADMINISTRATOR, "host", {**HOST, "name": "renamed", "address": "near.example", "revision": 1}, method="PUT"),
    "DELETE /hosts/{host_id}": _does(ADMINISTRATOR, "host", {"name": "near"}, method="DELETE"),
    "POST /hosts/{host_id}/test": _does(Role.MANAGER, "host"),
    "PUT /hosts/{host_id}/key": _does(ADMINISTRATOR, "host", _FINGERPRINT, method="PUT"),
    "PUT /hosts/{host_id}/enable": _does(Role.MANAGER, "host", method="PUT", changes=False),
    "PUT /hosts/{host_id}/disable": _does(Role.MANAGER, "host", method="PUT", changes=False),
    "GET /hosts/{host_id}/metrics": _reads(Role.VIEWER, "host"),
    "GET /machines": _reads(SIGNED_IN),
    "POST /machines/power": _does(SIGNED_IN, body=lambda world: {"action": "start", "ids": [world.near.machine.pk, world.far.machine.pk]}, changes=False),
    "GET /machines/{machine_id}": _reads(Role.VIEWER, "machine"),
    "PUT /machines/{machine_id}/power": _does(Role.OPERATOR, "machine", {"action": "start"}, method="PUT"),
    "PUT /machines/{machine_id}/autostart": _does(Role.OPERATOR, "machine", {"on": True}, method="PUT"),
    "GET /machines/{machine_id}/metrics": _reads(Role.VIEWER, "machine"),
    "GET /jobs": _reads(SIGNED_IN),
    "GET /jobs/{job_id}": _reads(Role.VIEWER, "job"),
    "GET /jobs/{job_id}/log": _reads(Role.VIEWER, "job"),
    "POST /jobs/{job_id}/cancel": _does(Role.OPERATOR, "job"),
}


@functools.cache
def addresses() -> dict[str, str]:
    """{name: route} of every address that the product answers, the API's calls left out."""
    routes = {call.partition(" ")[2].replace("{", "<").replace("}", ">") for call in calls()}
    found = _walk(get_resolver().url_patterns)
    return {name: route for name, route in found if not (name.startswith("api-1:") and route.removeprefix("api/v1") in routes)}


@functools.cache
def calls() -> set[str]:
    """ "GET /hosts/{host_id}" of every call of the API."""
    paths = api.get_openapi_schema()["paths"]
    return {f"{method.upper()} {path.removeprefix('/api/v1')}" for path, methods in paths.items() for method in methods}


def _walk(patterns: list[Any], prefix: str = "", namespace: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route, f"{pattern.namespace}:" if pattern.namespace else namespace)
        elif isinstance(pattern, URLPattern):
            yield namespace + (pattern.name or f"nameless {route}"), route
