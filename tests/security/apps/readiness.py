"""Readiness and devices: their rights are those on the host."""

from __future__ import annotations

from accounts.roles import Role
from tests.security.rows import SIGNED_IN, Row, does, reads

PAGES: dict[str, Row] = {
    "readiness:fleet": reads(SIGNED_IN),
    "readiness:of-host": reads(Role.VIEWER, "host"),
    "readiness:check": does(Role.OPERATOR, "host", changes=False),  # the watcher only looks sooner
    "devices:of-host": reads(Role.VIEWER, "host"),
}

CALLS: dict[str, Row] = {
    "GET /hosts/readiness": reads(SIGNED_IN),
    "GET /hosts/{host_id}/devices": reads(Role.VIEWER, "host"),
    "GET /hosts/{host_id}/readiness": reads(Role.VIEWER, "host"),
    "POST /hosts/{host_id}/readiness/check": does(Role.OPERATOR, "host", changes=False),
}
