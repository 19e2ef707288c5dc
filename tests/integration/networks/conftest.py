"""People, a host and its networks as rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from hosts.models import Host
from hosts.networks import inventory as networks
from hosts.networks.models import Network
from tests import inventory
from virt.networks import NetworkSeen

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
XML = """<network><name>default</name><uuid>u-default</uuid><forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/>
<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.100' end='192.168.122.200'/>
<host mac='52:54:00:00:00:01' name='db' ip='192.168.122.10'/></dhcp></ip></network>"""


def seen(name: str = "default", **fields: Any) -> NetworkSeen:
    """A network as a host shows it, on unless said otherwise."""
    xml = fields.pop("xml", XML.replace("default", name))
    usual = NetworkSeen(f"u-{name}", name, True, True, True, xml, xml)
    return replace(usual, **fields)


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Path) -> None:
    cache.clear()


@pytest.fixture
def host() -> Host:
    return inventory.host("kvm-07")


@pytest.fixture
def network(host: Host) -> Network:
    """default, on, with one fixed address."""
    networks.store(host.pk, (seen(),))
    return Network.objects.select_related("host").get(host=host)


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(inventory.person("root", administrator=True), backend=BACKEND)
    return client
