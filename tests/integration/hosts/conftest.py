"""People and hosts for tests of the hosts' room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import Grant, User
from accounts.roles import Role, Scope
from hosts.models import Host, State
from machines.models import Machine

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdOJxmYlKdQzvUXhk2Lf2cdsMTGOlvZsVDN8Ep5oyPa"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFoOYOAWDNSHwUfZF5gyqkw4jdxvnw7V+qVhLAu2TkTz"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Any) -> None:
    cache.clear()


@pytest.fixture
def admin() -> User:
    return User.objects.create(username="root", is_superuser=True)


@pytest.fixture
def as_admin(admin: User) -> Client:
    return client_of(admin)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def person(name: str, role: Role | None = None, host: Host | None = None) -> User:
    """Somebody with a role on a host, or on the fleet without one."""
    user = User.objects.create(username=name)
    if role:
        Grant.objects.create(user=user, role=role, scope=Scope.HOST if host else Scope.FLEET, object_id=host.pk if host else 0)
    return user


@pytest.fixture
def new_host() -> Callable[..., Host]:
    """``new_host("kvm-1", state="offline")``: an online host, but for what is said."""
    made = 0

    def make(name: str = "", **fields: Any) -> Host:
        nonlocal made
        made += 1
        usual = {"kind": "ssh", "address": f"10.0.0.{made}", "host_key": KEY, "state": State.ONLINE, "libvirt_version": "9.0.0"}
        return Host.objects.create(name=name or f"kvm-{made}", **{**usual, **fields})

    return make


def add_machines(host: Host, count: int, **fields: Any) -> list[Machine]:
    """Machines m000, m001, … on a host."""
    rows = [
        Machine(host=host, uuid=f"{host.pk:08d}-0000-0000-0000-{number:012d}", name=f"m{number:03d}", **{"state": "running", **fields})
        for number in range(count)
    ]
    return Machine.objects.bulk_create(rows)
