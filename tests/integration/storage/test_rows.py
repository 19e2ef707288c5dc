"""What a host shows of its pools becomes rows: few writes for what changed, none for what did not."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.roles import Role
from hosts.models import Host
from hosts.storage import inventory, users
from hosts.storage.models import Pool, Volume
from machines.models import Machine
from tests import inventory as people
from virt.pool import PoolSeen
from virt.volume import VolumeSeen

pytestmark = pytest.mark.django_db


def volume(name: str, **fields: Any) -> VolumeSeen:
    base = VolumeSeen(name, f"/p/{name}", "file", f"/p/{name}", "qcow2", 10, 1, "", "", False)
    return replace(base, **fields)


def pool(*volumes: VolumeSeen, **fields: Any) -> PoolSeen:
    base = PoolSeen("u1", "images", "dir", "running", True, True, 100, 20, 80, "/p", "", "<pool/>", tuple(volumes))
    return replace(base, **fields)


@pytest.fixture
def host() -> Host:
    return Host.objects.create(name="h1", kind="socket", state="online")


def test_rows_follow_the_host(host: Host) -> None:
    inventory.store(host.pk, (pool(volume("a"), volume("b")),))
    row = Pool.objects.get()
    assert (row.name, row.volume_count, row.promised_bytes, row.available_bytes) == ("images", 2, 20, 80)
    inventory.store(host.pk, (pool(volume("a", allocation_bytes=5), volume("c")),))
    assert {(v.name, v.allocation_bytes) for v in Volume.objects.all()} == {("a", 5), ("c", 1)}

    inventory.store(host.pk, (pool(state="off", volumes=None, capacity_bytes=0, available_bytes=0, allocation_bytes=0),))
    row.refresh_from_db()
    assert (row.state, row.capacity_bytes, row.volumes.count()) == ("off", 100, 2)  # as last seen

    inventory.store(host.pk, ())
    row.refresh_from_db()
    assert row.gone_at is not None and not row.volumes.exists()
    inventory.store(host.pk, (pool(volume("a")),))
    row.refresh_from_db()
    assert row.gone_at is None and row.volume_count == 1 and Pool.objects.count() == 1


def test_nothing_is_written_while_nothing_changed(host: Host) -> None:
    seen = (pool(*(volume(f"v{number}") for number in range(300))),)
    inventory.store(host.pk, seen)
    with CaptureQueriesContext(connection) as queries:
        inventory.store(host.pk, seen)
    assert not [query for query in queries if query["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]
    assert len(queries) <= 3


def test_ten_thousand_volumes(host: Host) -> None:
    many = [volume(f"volume-{number:05}.qcow2") for number in range(10_000)]
    inventory.store(host.pk, (pool(*many),))
    began = time.monotonic()
    inventory.store(host.pk, (pool(*many[1:], volume("new")),))
    took = time.monotonic() - began
    assert Volume.objects.count() == 10_000
    assert took < 2.0, f"{took:.2f} s for one change"


def test_used_by_machines_and_layers(host: Host) -> None:
    layer = volume("layer", backing_path="/p/base", backing_format="qcow2")
    inventory.store(host.pk, (pool(volume("base"), layer, volume("free"), volume("named")),))
    machine = Machine.objects.create(
        host=host, uuid="m", name="db-1", disks=[{"source": "/p/layer"}, {"source": "images/named", "pool": "images", "volume": "named"}]
    )
    rows = {row.name: row for row in Volume.objects.select_related("pool")}
    assert [str(used) for used in users.of(rows["layer"])] == ["machine db-1"]
    assert [str(used) for used in users.of(rows["named"])] == ["machine db-1"]
    assert [str(used) for used in users.of(rows["base"])] == ["volume layer"]
    assert users.of(rows["free"]) == []
    machine.delete()
    assert users.of(rows["layer"]) == []


def test_the_ground_of_a_linked_clone_on_another_host_is_in_use(host: Host) -> None:
    """The clone's file lies in the other host's own pool, or in the store itself, which both hosts list."""
    other = Host.objects.create(name="h2", kind="socket", state="online")
    shared = {"kind": "netfs", "source": "nas:/export"}
    inventory.store(host.pk, (pool(volume("ground"), volume("within", backing_path="/p/ground"), **shared),))
    local = pool(volume("clone", path="/var/local/clone", backing_path="/mnt/x/ground"), name="local", uuid="u2", path="/var/local")
    far = volume("within", path="/mnt/x/within", backing_path="/mnt/x/ground")
    inventory.store(other.pk, (pool(volume("ground", path="/mnt/x/ground"), far, path="/mnt/x", **shared), local))
    here = Volume.objects.select_related("pool").get(pool__host=host, name="ground")
    assert sorted(map(str, users.of(here))) == ["volume clone on h2", "volume within"]
    there = Volume.objects.select_related("pool").get(pool__host=other, name="ground")
    assert sorted(map(str, users.of(there))) == ["volume clone", "volume within"]


def test_a_shared_store_is_used_from_every_host(host: Host) -> None:
    other = Host.objects.create(name="h2", kind="socket", state="online")
    shared = {"kind": "netfs", "source": "nas:/export"}
    inventory.store(host.pk, (pool(volume("disk"), **shared),))
    inventory.store(other.pk, (pool(volume("disk", path="/mnt/x/disk"), path="/mnt/x", **shared),))
    Machine.objects.create(host=other, uuid="m", name="far-1", disks=[{"source": "/mnt/x/disk"}])
    here = Volume.objects.select_related("pool").get(pool__host=host)
    assert [str(used) for used in users.of(here)] == ["machine far-1 on h2"]
    near = people.person(role=Role.MANAGER, on=host)
    (used,) = users.of(here, near)  # it counts, but says nothing of what is foreign to them
    assert (str(used), used.url) == ("machine you may not see on another host", "")
    assert users.elsewhere(here.pool, near) == []
