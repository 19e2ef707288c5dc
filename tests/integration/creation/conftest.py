"""Hosts with pools and networks as rows, without any hypervisor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from hosts.models import Host
from hosts.storage.models import Pool, Volume
from tests import inventory

GIB = 2**30
NETWORK = {"name": "default", "uuid": "1", "active": True, "autostart": True, "forward": "nat", "bridge": "virbr0"}


@pytest.fixture(autouse=True)
def _database(db: None) -> None:
    """All of it needs the database."""


def a_host(name: str, **fields: Any) -> Host:
    host = inventory.host(name, networks=[NETWORK], **fields)
    pool = Pool.objects.create(
        host=host, uuid=f"pool-{name}", name="default", kind="dir", state="running", path="/p", capacity_bytes=900 * GIB, available_bytes=500 * GIB
    )
    for file, kind in (("debian-12.7.0-netinst.iso", "iso"), ("cloud.qcow2", "qcow2")):
        Volume.objects.create(pool=pool, name=file, path=f"/p/{file}", format=kind, capacity_bytes=2 * GIB)
    return host


@pytest.fixture
def sign_in(client: Client) -> Callable[[User], Client]:
    def enter(user: User) -> Client:
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return enter
