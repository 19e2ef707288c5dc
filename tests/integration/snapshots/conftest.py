"""People, a host and a machine with snapshots as rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client

from machines.models import Machine
from tests import inventory

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
DISK = {"target": "vda", "device": "disk", "kind": "file", "format": "qcow2", "source": "/pool/db.qcow2", "readonly": False}


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Path) -> None:
    cache.clear()


@pytest.fixture
def machine() -> Machine:
    return inventory.machine(inventory.host(), "db", disks=[DISK, DISK | {"target": "vdb", "source": "/pool/log.qcow2"}])


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(inventory.person("root", administrator=True), backend=BACKEND)
    return client
