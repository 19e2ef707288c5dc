"""A machine with a rich definition, and people with rights on it or on its host."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.roles import Role
from machines.models import Definition, Machine
from tests import inventory
from tests.integration.machines.conftest import client_of
from virt.xml import tree

DATA = Path(__file__).parents[2] / "unit" / "virt" / "data"
LIVE, STORED = (DATA / "running.xml").read_text(), (DATA / "stored.xml").read_text()
UUID = "0f2a0000-0000-4000-8000-000000000001"


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda *args, **options: None)


@pytest.fixture
def machine() -> Machine:
    host = inventory.host("kvm-07", networks=[{"name": "default", "bridge": "virbr0"}, {"name": "dmz", "bridge": "virbr1"}])
    made = inventory.machine(host, 'rich "1" <é>', uuid=UUID)
    Definition.objects.create(machine=made, digest=tree.digest(STORED), xml=STORED)
    return made


@pytest.fixture
def manager(machine: Machine) -> Client:
    """Manages the machine, not its host."""
    return client_of(inventory.person("m.keller", role=Role.MANAGER, on=machine))


@pytest.fixture
def host_manager(machine: Machine) -> Client:
    return client_of(inventory.person("h.braun", role=Role.MANAGER, on=machine.host))
