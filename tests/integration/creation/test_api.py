"""One call for many machines, a result for each."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from accounts import tokens
from hosts.models import State as HostState
from jobs.models import Job
from machines.creation.models import Creation
from tests import inventory
from tests.integration.creation.conftest import GIB, a_host


def call(body: dict[str, Any], path: str = "machines", method: str = "POST") -> Any:
    token = tokens.create(inventory.User.objects.filter(username="root").first() or inventory.person("root", administrator=True), "test")
    headers = {"Authorization": f"Bearer {token}"}
    return Client().generic(method, f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=headers)


def test_a_thousand_at_once_spread_over_the_fleet() -> None:
    for number in range(10):
        a_host(f"kvm-{number:02d}")
    a_host("kvm-away", state=HostState.OFFLINE)
    answer = call({"machines": [{"name": "web-{0001..1000}", "vcpus": 1, "memory_bytes": GIB, "nics": [{"source": "default"}], "start": False}]})
    results = answer.json()
    assert answer.status_code == 202
    assert len(results) == 1000
    assert all(one["job"] and not one["refused"] for one in results)
    assert {one["host_name"] for one in results} == {f"kvm-{number:02d}" for number in range(10)}
    assert Creation.objects.count() == Job.objects.count() == 1000


def test_each_has_its_own_result() -> None:
    host = a_host("kvm-01", memory_bytes=4 * GIB)
    machines = [{"name": name, "memory_bytes": 2 * GIB} for name in ("a", "b", "c", "a")] + [
        {"name": "d", "host_id": host.pk, "disks": [{"pool": "x", "size_bytes": GIB}]}
    ]
    results = call({"machines": machines}).json()
    assert [bool(one["job"]) for one in results] == [True, True, False, False, False]
    assert "memory free" in results[2]["refused"]
    assert "already" in results[3]["refused"]
    assert results[4]["refused"] == "kvm-01 has no pool x that is on."


def test_what_makes_no_sense_is_refused_as_a_whole() -> None:
    a_host("kvm-01")
    answer = call({"machines": [{"name": "fine"}, {"name": "a/b"}]})
    assert answer.status_code == 422
    assert "machines.1.name" in answer.json()["error"]
    assert call({"machines": [{"name": "x-{1..999}"}, {"name": "y-{1..999}"}]}).status_code == 422
    assert not Creation.objects.exists()
