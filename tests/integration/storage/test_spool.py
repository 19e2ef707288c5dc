"""The spool between browser and worker on a real Redis, and the pump that fills it: turns, room, what is broken off."""

from __future__ import annotations

import base64
import hashlib
import itertools
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from hosts.storage.transfers import pump, spool, tus
from hosts.storage.transfers.limits import CHUNK_BYTES, WINDOW_BYTES
from hosts.storage.transfers.pump import Pump
from hosts.storage.transfers.spool import Spool
from virt.packets import PACKET_BYTES

MIB = 2**20


@pytest.fixture
def upload(redis: Path) -> Iterator[str]:
    name = str(uuid.uuid4())
    yield name
    Spool(name).drop()


@pytest.fixture
def mine(upload: str) -> Iterator[Spool]:
    found = Spool(upload)
    yield found
    found.leave()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "_ROOM_SECONDS", 0.05)
    monkeypatch.setattr(pump, "_clients", {})  # each test has a loop of its own


async def bring(
    upload: str, offset: int, *bodies: bytes, length: int | None = None, checksum: str = "", stays: bool = True
) -> tuple[int, dict[str, str], bytes]:
    """One PATCH, as it comes from the server: status, headers, words."""
    told = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": offset, "Content-Length": sum(map(len, bodies)) if length is None else length}
    told |= {"Upload-Checksum": checksum} if checksum else {}

    async def django(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] == b""  # the bytes are not for it
        response = tus.let_in(upload, 2**40, timezone.now())
        headers = [(name.encode(), value.encode()) for name, value in response.items()]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    left = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
    left.append({"type": "http.request", "body": b"", "more_body": False} if stays else {"type": "http.disconnect"})
    said: list[Any] = []

    async def receive() -> Any:
        return left.pop(0)

    async def send(message: Any) -> None:
        said.append(message)

    sent = [(name.lower().encode(), str(value).encode()) for name, value in told.items()]
    await Pump(django, django)({"type": "http", "method": "PATCH", "path": f"{pump.PREFIXES[0]}{upload}/", "headers": sent}, receive, send)
    headers = {name.decode().lower(): value.decode() for name, value in said[0]["headers"]}
    assert tus.PUMP_HEADER.lower() not in headers
    return said[0]["status"], headers, said[1]["body"]


def content(mine: Spool) -> bytes:
    chunk = mine.next(0.2)
    return b"".join(mine.packets(chunk)) if chunk else b""


async def test_chunks_come_out_as_they_went_in(upload: str, mine: Spool) -> None:
    assert (await bring(upload, 0, b"early"))[0] == 503  # no worker is at it
    mine.open(0)
    parts = [bytes([number]) * (3 * MIB // 2) for number in range(3)]
    status, headers, _ = await bring(upload, 0, *parts)
    assert status == 204 and headers["upload-offset"] == str(9 * MIB // 2)
    status, headers, _ = await bring(upload, 9 * MIB // 2, b"end")
    assert content(mine) == b"".join(parts)
    assert content(mine) == b"end"
    assert spool.accepted(upload) == 9 * MIB // 2 + 3
    assert mine.close() and spool.accepted(upload) is None


async def test_packets_are_full_whatever_came_in_what_parts(upload: str, mine: Spool) -> None:
    mine.open(0)
    body = random.Random(1).randbytes(4 * MIB + 77)
    cuts = [0, 1, 1, 700, 900_000, 2 * MIB, 2 * MIB + 3, len(body)]
    assert (await bring(upload, 0, *(body[a:b] for a, b in itertools.pairwise(cuts))))[0] == 204
    chunk = mine.next(0.2)
    assert chunk and chunk.pieces == 2
    packets = list(mine.packets(chunk))
    assert b"".join(packets) == body
    assert {len(packet) for packet in packets[:-1]} == {PACKET_BYTES}
    assert not mine._redis.keys(f"{spool.state_key(upload)}:c:*")  # nothing is left of it in Redis


async def test_a_piece_that_redis_lost_ends_its_chunk_and_the_next_one_is_read(upload: str, mine: Spool) -> None:
    mine.open(0)
    assert (await bring(upload, 0, *[bytes([number]) * MIB for number in range(3)]))[0] == 204
    assert (await bring(upload, 3 * MIB, b"next"))[0] == 204
    mine._redis.delete(next(iter(mine._redis.keys(f"{spool.state_key(upload)}:c:*:1"))))
    lost = mine.next(0.2)
    assert lost and len(b"".join(mine.packets(lost))) <= MIB
    assert content(mine) == b"next"


async def test_a_wrong_offset_is_told_the_right_one(upload: str, mine: Spool) -> None:
    mine.open(100)
    for offset in (0, 99, 101):
        status, headers, _ = await bring(upload, offset, b"x")
        assert status == 409 and headers["upload-offset"] == "100"
    assert content(mine) == b""


async def test_what_came_of_a_broken_chunk_counts_unless_a_checksum_is_awaited(upload: str, mine: Spool) -> None:
    mine.open(0)
    await bring(upload, 0, b"some", length=1000, stays=False)
    assert spool.accepted(upload) == 4 and content(mine) == b"some"
    checksum = f"sha1 {base64.b64encode(hashlib.sha1(b'other').digest()).decode()}"
    await bring(upload, 4, b"oth", length=5, checksum=checksum, stays=False)
    status, _, words = await bring(upload, 4, b"Other", checksum=checksum)
    assert status == 460 and b"again" in words
    assert spool.accepted(upload) == 4 and content(mine) == b""
    assert (await bring(upload, 4, b"other", checksum=checksum))[0] == 204
    assert content(mine) == b"other"


async def test_more_than_was_announced_is_refused_and_dropped(upload: str, mine: Spool) -> None:
    mine.open(0)
    assert (await bring(upload, 0, b"x" * 50, length=10))[0] == 413
    assert spool.accepted(upload) == 0 and content(mine) == b""


async def test_the_spool_is_bounded_for_one_upload_and_for_all(upload: str, mine: Spool, settings: Any) -> None:
    mine.open(0)
    body = bytes(CHUNK_BYTES)
    for number in range(WINDOW_BYTES // CHUNK_BYTES):
        assert (await bring(upload, number * CHUNK_BYTES, body))[0] == 204
    status, headers, _ = await bring(upload, WINDOW_BYTES, b"x")
    assert status == 503 and "retry-after" in headers
    assert len(content(mine)) == CHUNK_BYTES
    mine.took(CHUNK_BYTES)
    assert (await bring(upload, WINDOW_BYTES, b"x"))[0] == 204
    settings.UPLOAD_SPOOL_MIB = 24
    other = Spool(str(uuid.uuid4()))
    other.open(0)
    assert (await bring(other._upload, 0, b"x"))[0] == 503
    other.drop()
    other.leave()


async def test_one_request_at_a_time_and_a_closed_spool_takes_nothing(upload: str, mine: Spool) -> None:
    mine.open(0)
    link = pump.client()
    coming = pump._Coming(upload, 0, 4, "", "slow")
    await pump._reserve(link, coming)
    assert (await bring(upload, 0, b"x"))[0] == 423
    assert not mine.close()  # something is coming
    mine.open(0)  # another worker takes over: what was coming has lost its turn
    late = pump.Putter(link)
    await late.put(spool.piece_key(upload, "slow", 0), 60, [b"la", b"te"])
    await late.settle()
    await late.leave()
    assert await pump._commit(link, coming, 4, 1) == -1
    assert not await link.exists(spool.piece_key(upload, "slow", 0))
    assert spool.accepted(upload) == 0 and content(mine) == b""


@pytest.mark.parametrize(("who", "prefix"), zip((b"cookie", b"authorization"), pump.PREFIXES, strict=True))
async def test_a_yes_is_good_for_a_moment_and_for_the_same_asker_only(
    who: bytes, prefix: str, upload: str, mine: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def django(scope: Any, receive: Any, send: Any) -> None:
        nonlocal asked
        asked += 1
        allowed = (who, b"mine") in scope["headers"]
        response = tus.let_in(upload, 100, timezone.now()) if allowed else tus.answer(404)
        await send({"type": "http.response.start", "status": response.status_code, "headers": [(n.encode(), v.encode()) for n, v in response.items()]})
        await send({"type": "http.response.body", "body": b""})

    one = Pump(django, django)

    async def send_one(offset: int, value: bytes = b"mine", upload: str = upload, length: int = 1) -> int:
        said: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"x", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        told = [(b"content-type", b"application/offset+octet-stream"), (b"upload-offset", str(offset).encode()), (b"content-length", str(length).encode())]
        await one({"type": "http", "method": "PATCH", "path": f"{prefix}{upload}", "headers": [*told, (who, value)]}, receive, send)
        return int(said[0]["status"])

    mine.open(0)
    assert [await send_one(0), await send_one(1), await send_one(2)] == [204, 204, 204]
    assert asked == 1
    assert await send_one(3, value=b"another's") == 404
    assert await send_one(3, upload=str(uuid.uuid4()), value=b"another's") == 404
    assert await send_one(99, length=2) == 400  # beyond the end: seen without Django too
    assert asked == 3
    monkeypatch.setattr(pump, "_YES_SECONDS", -1.0)
    one._yes.clear()
    assert [await send_one(3), await send_one(4)] == [204, 204]
    assert asked == 5
    while mine.next(0.05):
        pass
    mine.close()
    assert await send_one(5) == 503  # nobody is there: Django is asked, so that it calls a worker
    assert asked == 6


def test_a_worker_that_comes_after_another_drops_what_that_one_left(upload: str, mine: Spool) -> None:
    mine.open(0)
    left = spool.piece_key(upload, "a", 0)
    mine._redis.set(left, b"old")
    mine._redis.rpush(spool.chunks_key(upload), "a:0:3:1")
    mine.open(7)
    assert mine.next(0.1) is None and not mine._redis.exists(left)
    assert spool.accepted(upload) == 7
