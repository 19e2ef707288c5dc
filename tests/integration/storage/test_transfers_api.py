"""Uploads, fetches and downloads with nothing but a token: the same actions and refusals as on the pages."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import AuditEntry
from hosts.storage.models import Pool, Volume
from hosts.storage.transfers.models import Incoming
from hosts.storage.transfers.tus import PUMP_HEADER
from jobs.models import Job, State
from tests import inventory
from tests.integration.storage.test_pools import a_pool

TUS = {"Tus-Resumable": "1.0.0"}
MIB = 2**20


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("jobs.submit", "hosts.storage.transfers.actions"):
        monkeypatch.setattr(f"{part}.current_app.send_task", lambda *args, **options: None)


@pytest.fixture
def pool() -> Pool:
    made = a_pool(inventory.host("h1"))
    Pool.objects.filter(pk=made.pk).update(state="running", capacity_bytes=2**40, available_bytes=2**39)
    return made


def call(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **more: Any) -> Any:
    user = inventory.User.objects.filter(username="root").first() or inventory.person("root", administrator=True)
    named = {"Authorization": f"Bearer {tokens.create(user, 'test')}", **(headers or {})}
    address = path if path.startswith("/api/") else f"/api/v1/storage/{path}"
    return Client().generic(method, address, json.dumps(body) if body else "", content_type="application/json", headers=named, **more)


def begin(pool: Pool, name: str, size: object = 10 * MIB, **metadata: str) -> Any:
    told = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in {"name": name, **metadata}.items())
    return call("POST", f"pools/{pool.pk}/uploads", headers={**TUS, "Upload-Length": str(size), "Upload-Metadata": told})


def bring(address: str, offset: int = 0, length: int = 100, **headers: str) -> Any:
    named = {**TUS, "Upload-Offset": str(offset), **headers}
    return call("PATCH", address, headers=named, CONTENT_TYPE="application/offset+octet-stream", CONTENT_LENGTH=str(length))


def test_an_upload_from_its_beginning_to_its_end(pool: Pool) -> None:
    answer = begin(pool, "new.iso", filename="new.iso")
    assert answer.status_code == 201, answer.content
    address = answer.headers["Location"]
    assert address.startswith("/api/v1/storage/uploads/") and answer.headers["WV-Job"]
    assert AuditEntry.objects.get(action="hosts.storage.transfers.upload", result="asked").actor == "root"

    found = call("GET", address).json()
    assert (found["name"], found["pool_id"], found["offset"], found["size"], found["state"]) == ("new.iso", pool.pk, 0, 10 * MIB, "queued")
    assert call("GET", f"uploads?pool_id={pool.pk}").json()["items"] == [found]
    said = call("HEAD", address, headers=TUS)
    assert said.status_code == 200 and said.headers["Upload-Offset"] == "0" and said.headers["Upload-Length"] == str(10 * MIB)
    yes = bring(address)
    assert yes.status_code == 204 and json.loads(yes.headers[PUMP_HEADER]) == {"upload": found["id"], "size": 10 * MIB}

    incoming = Incoming.objects.get()
    incoming.confirm(4 * MIB, "digest")
    assert call("HEAD", address, headers=TUS).headers["Upload-Offset"] == str(4 * MIB)  # after whatever broke it goes on there

    assert call("DELETE", address, headers=TUS).status_code == 204
    assert Job.objects.get().state == State.CANCELLED
    for method in ("DELETE", "HEAD"):
        assert call(method, address, headers=TUS).status_code == 410
    gone = bring(address)
    assert gone.status_code == 410 and gone.json()["error"] == "It is over." and gone.headers["Tus-Resumable"] == "1.0.0"
    assert call("GET", address).json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("name", "size", "more", "status", "words"),
    [
        ("../passwd", MIB, {}, 409, "name"),
        ("empty.iso", 0, {}, 409, "empty"),
        ("big.iso", 2**40, {}, 409, "room"),
        ("odd.iso", "-1", {}, 400, "not a number"),
        ("sum.iso", MIB, {"checksum": "beef"}, 400, "no SHA-256"),
    ],
)
def test_what_the_page_refuses_is_refused_in_words(pool: Pool, name: str, size: object, more: dict[str, str], status: int, words: str) -> None:
    answer = begin(pool, name, size, **more)
    assert answer.status_code == status and words in answer.json()["error"], answer.content
    assert not Job.objects.exists()


def test_what_is_no_tus_is_refused_in_words(pool: Pool) -> None:
    assert call("POST", f"pools/{pool.pk}/uploads").status_code == 412
    address = begin(pool, "new.iso").headers["Location"]
    assert bring(address, length=9 * MIB).status_code == 413
    assert bring(address, offset=10 * MIB).status_code == 400
    assert "Upload-Offset" in bring(address, **{"Upload-Offset": "x"}).json()["error"]
    assert call("PATCH", address, {"a": 1}, TUS).status_code == 415
    assert call("GET", f"uploads/{uuid.uuid4()}").status_code == 404
    assert call("GET", "uploads/no-number").status_code == 422


def test_a_fetch_is_asked_for_and_told_what_is_wrong_with_it(pool: Pool) -> None:
    for body, words in (
        ({"url": "ftp://mirror.example/a.iso"}, "url: "),
        ({"url": "https://mirror.example/a.iso", "checksum": "beef"}, "checksum: "),
        ({"url": "https://mirror.example/", "name": ""}, "name: "),
    ):
        answer = call("POST", f"pools/{pool.pk}/fetch", body)
        assert answer.status_code == 422 and answer.json()["error"].startswith(words), answer.content
    answer = call("POST", f"pools/{pool.pk}/fetch", {"url": "https://mirror.example/a.iso", "checksum": "a" * 64})
    assert answer.status_code == 202 and answer.json()["kind"] == "hosts.storage.transfers.fetch", answer.content
    found = call("GET", "uploads").json()["items"][0]
    assert (found["name"], found["source"], found["job"]) == ("a.iso", "url", answer.json()["id"])
    nobody = bring(f"/api/v1/storage/uploads/{found['id']}")
    assert nobody.status_code == 403 and "fetched" in nobody.json()["error"]


def test_a_download_says_when_nobody_reads_it(pool: Pool, settings: Any) -> None:
    settings.DOWNLOAD_PATIENCE_SECONDS = 0.2
    Volume.objects.create(pool=pool, name="disk.raw", path="/srv/pool/disk.raw", format="raw", capacity_bytes=MIB)
    answer = call("GET", f"pools/{pool.pk}/volumes/disk.raw/content", headers={"Range": "bytes=0-99"})
    assert answer.status_code == 503 and "Retry-After" in answer.headers, answer.content
    assert AuditEntry.objects.filter(action="hosts.storage.transfers.download", subject="disk.raw", actor="root").exists()
    assert call("GET", f"pools/{pool.pk}/volumes/other.raw/content").status_code == 404


def test_files_come_only_into_pools_that_take_them(pool: Pool) -> None:
    """libvirt writes no bytes into Ceph, makes no unit of a target and no partition by any name."""
    others = [a_pool(pool.host, kind, kind) for kind in ("iscsi", "rbd", "disk")]
    for other in others:
        answer = begin(other, "new.iso")
        assert answer.status_code == 409 and "of this kind" in answer.json()["error"], answer.content
        assert call("POST", f"pools/{other.pk}/fetch", {"url": "https://mirror.example/a.iso"}).status_code == 409
    browser = Client()
    browser.force_login(inventory.User.objects.get(username="root"))
    page = browser.get("/storage/uploads/").content.decode()
    assert f"/storage/pools/{pool.pk}/uploads/" in page
    for other in others:
        assert f"/storage/pools/{other.pk}/uploads/" not in page
        assert f"/storage/pools/{other.pk}/uploads/" not in browser.get(f"/storage/pools/{other.pk}/").content.decode()


def test_a_name_that_hides_something_is_shown_plainly_and_an_empty_file_says_so(pool: Pool) -> None:
    Volume.objects.create(pool=pool, name="invoice\u202eosi.exe\n.iso", path="/srv/pool/a", format="iso", capacity_bytes=0)
    Pool.objects.update(volume_count=1)
    call("GET", "uploads")  # makes the person
    browser = Client()
    browser.force_login(inventory.User.objects.get(username="root"))
    for path in ("/storage/isos/", f"/storage/pools/{pool.pk}/"):
        page = browser.get(path).content.decode()
        assert "<bdi>invoice[U+202E]osi.exe[U+000A].iso</bdi>" in page and ">empty</span>" in page, path
