"""Pools by the API: the same rules as the pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts import tokens
from jobs.models import Job
from tests import inventory
from tests.integration.storage.test_pools import a_pool
from tests.pools import VALUES
from virt.xml.pools import KINDS


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda *args, **options: None)


def call(path: str, method: str = "GET", body: Any = None) -> Any:
    user = inventory.User.objects.filter(username="root").first() or inventory.person("root", administrator=True)
    headers = {"Authorization": f"Bearer {tokens.create(user, 'test')}"}
    return Client().generic(method, f"/api/v1/storage/{path}", json.dumps(body) if body else "", content_type="application/json", headers=headers)


def test_a_pool_of_each_kind_is_made_by_what_the_kinds_say() -> None:
    host = inventory.host("h1")
    for kind in call("pool-kinds").json():
        assert {field["name"] for field in kind["fields"] if field["required"]} <= set(VALUES[kind["name"]])
        secret = "AQBhUg5gAAAAABAAMiYb" if KINDS[kind["name"]].login else ""
        answer = call(f"hosts/{host.pk}/pools", "POST", {"name": kind["name"], "kind": kind["name"], "values": VALUES[kind["name"]], "password": secret})
        assert answer.status_code == 202, answer.content
        assert not secret or secret not in answer.content.decode() + str(Job.objects.get(pk=answer.json()["id"]).params)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "dir", "values": {"path": "/etc"}}, "belongs to the host"),
        ({"kind": "dir", "values": {"path": "/srv/pool"}}, "is there already"),
        ({"kind": "dir", "values": {"path": "/srv/x", "target": "y"}}, "has no “target”"),
        ({"kind": "dir", "values": {"path": "/srv/x"}, "build": "overwrite"}, "can't be built"),
        ({"kind": "dir", "values": {"path": "/srv/x"}, "password": "p"}, "Whose password"),
        ({"kind": "iscsi", "values": VALUES["iscsi"]}, "Give the password"),
        ({"kind": "gluster", "values": {}}, "no kind of pool"),
        ({"name": "a/b", "kind": "dir", "values": {"path": "/srv/x"}}, "pool's name"),
    ],
)
def test_what_the_form_refuses_is_refused(body: dict[str, Any], words: str) -> None:
    host = inventory.host("h1")
    a_pool(host)
    answer = call(f"hosts/{host.pk}/pools", "POST", {"name": "new", **body})
    assert answer.status_code == 409 and words in answer.json()["error"], answer.content
    assert not Job.objects.exists()


def test_pools_are_listed_and_removed() -> None:
    host = inventory.host("h1")
    pool = a_pool(host)
    a_pool(inventory.host("h2"), "other")
    assert [each["name"] for each in call("pools").json()["items"]] == ["images", "other"]
    assert call(f"pools?host_id={host.pk}").json()["total"] == 1
    assert call(f"pools/{pool.pk}").json()["path"] == "/srv/pool"
    assert call(f"pools/{pool.pk}?contents=true", "DELETE").status_code == 202
    assert Job.objects.get().params == {"contents": True}
    assert call(f"pools/{pool.pk}/power", "PUT", {"action": "stop"}).status_code == 409  # it is being removed
