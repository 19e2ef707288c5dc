"""Uploads by somebody hostile: foreign ones, odd names and numbers, chunks that are too large, forms from elsewhere."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from hosts.storage.models import Pool
from hosts.storage.transfers.limits import CHUNK_BYTES, MOST_UNFINISHED_OF_A_PERSON
from hosts.storage.transfers.models import Incoming
from hosts.storage.transfers.tus import PUMP_HEADER
from jobs.models import Job
from tests.security.apps.storage import _pool, _volume
from tests.security.world import World

SignIn = Callable[[User | None], Client]
WHO = "manager of the host"


def create(browser: Client, pool: int, name: str, size: object = 2**20, **metadata: str) -> Any:
    told = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in {"name": name, **metadata}.items())
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": told}
    return browser.post(reverse("transfers:uploads", args=[pool]), headers=headers)


def patch(browser: Client, url: str, offset: object = 0, length: object = 100, **headers: str) -> Any:
    """What Django is asked of a chunk; the bytes themselves do not come here."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), **named}
    return browser.generic("PATCH", url, headers=fields, CONTENT_TYPE="application/offset+octet-stream", CONTENT_LENGTH=str(length))


def new() -> QuerySet[Incoming]:
    """Without those that the world has from the beginning."""
    return Incoming.objects.exclude(file_name="coming.iso")


@pytest.fixture
def pool(world: World) -> int:
    pk = int(_pool(world.near)["pk"])
    Pool.objects.filter(pk=pk).update(available_bytes=2**39)
    return pk


@pytest.fixture
def begun(world: World, browser_of: SignIn, pool: int) -> str:
    answer = create(browser_of(world.people[WHO]), pool, "mine.iso")
    assert answer.status_code == 201, answer.content
    return str(answer.headers["Location"])


def test_who_manages_the_host_begins_and_brings(world: World, browser_of: SignIn, begun: str) -> None:
    browser = browser_of(world.people[WHO])
    answer = patch(browser, begun)
    assert answer.status_code == 204 and new().get().pk.hex in answer.headers[PUMP_HEADER].replace("-", "")
    assert AuditEntry.objects.filter(action="hosts.storage.transfers.upload", result="asked").exists()


def test_foreign_uploads_are_not_there(world: World, browser_of: SignIn, begun: str) -> None:
    foreign = [who for who in world.people if world.level(who, "host", near=True) == 0]
    assert foreign
    for who in foreign:
        browser = browser_of(world.people[who])
        assert patch(browser, begun).status_code == 404, who
        for method in ("HEAD", "DELETE", "GET"):
            assert browser.generic(method, begun, headers={"Tus-Resumable": "1.0.0"}).status_code == 404, (who, method)
    made_up = reverse("transfers:upload", args=[uuid.uuid4()])
    assert patch(browser_of(world.root), made_up).status_code == 404
    assert new().get().ended_at is None


def test_who_only_looks_brings_nothing(world: World, browser_of: SignIn, begun: str, pool: int) -> None:
    browser = browser_of(world.people["operator of the host"])
    assert patch(browser, begun).status_code == 403
    assert create(browser, pool, "theirs.iso").status_code == 403


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../escape.iso", "a/b.iso", "/etc/passwd", "a\\b.iso", "-rf", "a\x00b", "a\nb.iso", " a.iso", "x" * 300, "ü" * 150, "a\u202egnp.iso\x07"],
)
def test_hostile_names(world: World, browser_of: SignIn, pool: int, name: str) -> None:
    answer = create(browser_of(world.people[WHO]), pool, name)
    assert answer.status_code in (400, 409), answer.content
    assert not new().exists() and not Job.objects.filter(kind__contains="transfers", state="queued").exists()


@pytest.mark.parametrize("size", ["-1", "0", "", "1e9", "9" * 30, "2305843009213693952", "٣", "0x10"])
def test_odd_sizes(world: World, browser_of: SignIn, pool: int, size: str) -> None:
    assert create(browser_of(world.people[WHO]), pool, "a.iso", size).status_code in (400, 409)
    assert not new().exists()


@pytest.mark.parametrize(
    "metadata", ["name !!!", "name " + base64.b64encode(b"\xff\xfe").decode(), "name " + "A" * 5000, "name YQ==,checksum " + base64.b64encode(b"md5").decode()]
)
def test_odd_metadata(world: World, browser_of: SignIn, pool: int, metadata: str) -> None:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": metadata}
    answer = browser_of(world.people[WHO]).post(reverse("transfers:uploads", args=[pool]), headers=headers)
    assert answer.status_code == 400
    assert not new().exists()


@pytest.mark.parametrize(
    ("offset", "length", "status"),
    [(0, CHUNK_BYTES + 1, 413), (0, 2**58, 413), (2**20, 1, 400), (2**20 - 10, 11, 400), ("-1", 10, 400), ("x", 10, 400), ("9" * 40, 10, 400), (0, "-5", 400)],
)
def test_chunks_that_make_no_sense(world: World, browser_of: SignIn, begun: str, offset: object, length: object, status: int) -> None:
    answer = patch(browser_of(world.people[WHO]), begun, offset, length)
    assert answer.status_code == status and PUMP_HEADER not in answer.headers


def test_what_is_not_tus(world: World, browser_of: SignIn, begun: str) -> None:
    browser = browser_of(world.people[WHO])
    assert patch(browser, begun, Tus_Resumable="0.2.2").status_code == 412
    assert patch(browser, begun, Upload_Checksum="md5 AAAA").status_code == 400
    answer = browser.generic("PATCH", begun, b"{}", content_type="application/json", headers={"Tus-Resumable": "1.0.0", "Upload-Offset": "0"})
    assert answer.status_code == 415


def test_a_chunk_needs_the_token_of_our_own_page(world: World, begun: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(world.people[WHO], backend="allauth.account.auth_backends.AuthenticationBackend")
    assert patch(browser, begun).status_code == 403
    assert browser.generic("DELETE", begun, headers={"Tus-Resumable": "1.0.0"}).status_code == 403
    assert patch(Client(), begun).status_code in (302, 401)


def test_an_ended_upload_takes_nothing_more(world: World, browser_of: SignIn, begun: str) -> None:
    browser = browser_of(world.people[WHO])
    assert browser.generic("DELETE", begun, headers={"Tus-Resumable": "1.0.0"}).status_code == 204
    assert patch(browser, begun).status_code == 410
    assert browser.generic("DELETE", begun, headers={"Tus-Resumable": "1.0.0"}).status_code == 410


def test_two_of_one_name_and_too_many_at_once(world: World, browser_of: SignIn, begun: str, pool: int) -> None:
    browser = browser_of(world.people[WHO])
    assert create(browser, pool, "mine.iso").status_code == 409
    assert create(browser, pool, _volume(world.near)["name"]).status_code == 409
    for number in range(MOST_UNFINISHED_OF_A_PERSON - 1):
        assert create(browser, pool, f"{number}.iso").status_code == 201
    answer = create(browser, pool, "one-more.iso")
    assert answer.status_code == 409 and b"not finished" in answer.content


def test_a_file_larger_than_the_pool_has_room_for_is_refused_before_it_is_sent(world: World, browser_of: SignIn, pool: int) -> None:
    Pool.objects.filter(pk=pool).update(capacity_bytes=2**30, available_bytes=2**20)
    answer = create(browser_of(world.people[WHO]), pool, "big.iso", 2**21)
    assert answer.status_code == 409 and b"room" in answer.content


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://user:pw@mirror.example/x.iso", "https://mirror.example/", "gopher://x/1"])
def test_addresses_that_are_not_fetched(world: World, browser_of: SignIn, pool: int, url: str) -> None:
    answer = browser_of(world.people[WHO]).post(reverse("transfers:fetch", args=[pool]), {"url": url})
    assert answer.status_code == 422
    assert not new().exists()
