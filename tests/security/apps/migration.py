"""Moving machines: the role manager on the machine, and on the host that it goes to (tests/integration/migration)."""

from __future__ import annotations

from accounts.rights import ADMINISTRATOR
from accounts.roles import Role
from tests.security.rows import Row, does

PAGES: dict[str, Row] = {
    "migration:address": does(ADMINISTRATOR, "host", {"libvirt": "qemu+tls://kvm-2/system"}, asks=True),
}

CALLS: dict[str, Row] = {
    "POST /machines/{machine_id}/move": does(Role.MANAGER, "machine", {"target": 999_999}, changes=False),
    "POST /machines/{machine_id}/move/resume": does(Role.MANAGER, "machine", changes=False),
    "PUT /machines/{machine_id}/move/limits": does(Role.MANAGER, "machine", {"bandwidth_mib": 5}, method="PUT", changes=False),
}
