"""Networks: their rights are those on the host."""

from __future__ import annotations

from typing import Any

from accounts.roles import Role
from hosts.networks.models import Network
from tests.security.rows import SIGNED_IN, Kind, Row, does, reads
from tests.security.world import Thing

_XML = """<network><name>%s</name><uuid>%s</uuid><forward mode='nat'/><bridge name='virbr0'/><ip address='192.168.122.1' prefix='24'><dhcp>
<range start='192.168.122.100' end='192.168.122.200'/><host mac='52:54:00:00:00:01' ip='192.168.122.10'/></dhcp></ip></network>"""
_ADDRESS = {"family": 4, "address": "192.168.122.1", "prefix": 24, "network": "192.168.122.0/24", "dhcp": True}


def _network(thing: Thing, name: str = "default", **fields: Any) -> dict[str, Any]:
    uuid = f"{name}-{thing.host.name}"
    usual = {"name": name, "mode": "nat", "active": True, "bridge": "virbr0", "addresses": [_ADDRESS], "digest": "d", "xml": _XML % (name, uuid)}
    network, _ = Network.objects.get_or_create(host=thing.host, uuid=uuid, defaults={**usual, **fields})
    return {"pk": network.pk, "network_id": network.pk}


def _off(thing: Thing) -> dict[str, Any]:
    """One that is off: it can be started and deleted."""
    return _network(thing, "spare", active=False, bridge="virbr1", addresses=[])


KINDS = {
    "network": Kind("host", _network),
    "network-off": Kind("host", _off),
    "network-part": Kind("host", lambda thing: {"pk": _network(thing)["pk"], "part": "fixed"}),
    "network-place": Kind("host", lambda thing: {"pk": _network(thing)["pk"], "part": "fixed", "place": 0}),
}

_NEW = {"name": "lab", "mode": "isolated", "address4": "10.20.30.1/24"}
_FIXED = {"based_on": "d", "ip": "192.168.122.20", "mac": "52:54:00:00:00:20"}
_SETTINGS = {"based_on": "d", "mode": "nat", "address4": "192.168.122.1/24", "domain": "lab.example", "ranges4": "192.168.122.100 - 192.168.122.200"}


PAGES: dict[str, Row] = {
    "networks:networks": reads(SIGNED_IN),
    "networks:choose-host": reads(SIGNED_IN),
    "networks:of-host": reads(Role.VIEWER, "host"),
    "networks:create": does(Role.MANAGER, "host", _NEW, asks=True),
    "networks:network": reads(Role.VIEWER, "network"),
    "networks:xml": reads(Role.OPERATOR, "network"),
    "networks:edit": does(Role.MANAGER, "network", _SETTINGS, asks=True),
    "networks:power": does(Role.MANAGER, "network-off", {"action": "start"}),
    "networks:stop": does(Role.MANAGER, "network", {}, asks=True),
    "networks:restart": does(Role.MANAGER, "network", {}, asks=True),
    "networks:autostart": does(Role.MANAGER, "network", {"on": "1"}),
    "networks:delete": does(Role.MANAGER, "network-off", {"typed": "spare"}, asks=True),
    "networks:add-part": does(Role.MANAGER, "network-part", _FIXED, asks=True),
    "networks:edit-part": does(Role.MANAGER, "network-place", _FIXED, asks=True),
    "networks:remove-part": does(Role.MANAGER, "network-place", {"based_on": "d"}, asks=True),
}

CALLS: dict[str, Row] = {
    "GET /networks": reads(SIGNED_IN),
    "POST /hosts/{host_id}/networks": does(Role.MANAGER, "host", {"name": "lab", "mode": "isolated", "values": {"address4": "10.20.30.1/24"}}),
    "GET /networks/{network_id}": reads(Role.VIEWER, "network"),
    "PATCH /networks/{network_id}": Row(
        {"PATCH": Role.MANAGER}, "network", {"based_on": "d", "edits": [{"verb": "add", "what": "fixed", "values": {"ip": "192.168.122.21", "name": "a"}}]}
    ),
    "DELETE /networks/{network_id}": does(Role.MANAGER, "network-off", method="DELETE"),
    "PUT /networks/{network_id}/power": does(Role.MANAGER, "network-off", {"action": "start"}, method="PUT"),
    "PUT /networks/{network_id}/autostart": does(Role.MANAGER, "network", {"on": True}, method="PUT"),
    "GET /networks/{network_id}/leases": reads(Role.VIEWER, "network"),
}
