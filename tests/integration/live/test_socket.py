"""The websocket with what it is made of: the real application, a real Redis, sessions in the database."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.test import Client
from django.utils import timezone

from accounts import people
from accounts.models import Grant, User
from accounts.roles import Role, Scope
from hosts.models import Host
from live import consumers, facts, hub
from machines.models import Machine
from webvirt.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
ORIGIN, HOST = "http://testserver", "testserver"


@pytest.fixture(autouse=True)
def _ours(settings: Any, redis: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "localhost"]


class Fleet:
    """Two hosts with a machine each; ann sees the machine of the first alone."""

    def __init__(self) -> None:
        self.near, self.far = (Host.objects.create(name=name, address=name) for name in ("near", "far"))
        self.mine = Machine.objects.create(host=self.near, uuid="1" * 36, name="mine")
        self.other = Machine.objects.create(host=self.near, uuid="2" * 36, name="other")
        self.foreign = Machine.objects.create(host=self.far, uuid="3" * 36, name="foreign")
        self.root = User.objects.create(username="root", is_superuser=True)
        self.ann = User.objects.create(username="ann")
        self.grant = Grant.objects.create(user=self.ann, role=Role.VIEWER, scope=Scope.MACHINE, object_id=self.mine.pk)


@pytest.fixture
def fleet(transactional_db: None) -> Fleet:
    return Fleet()


class Socket:
    """A page's socket, by ASGI's own messages."""

    def __init__(self, client: Client, *, path: str = "/live/", origin: str = ORIGIN, host: str = HOST) -> None:
        cookie = client.cookies.get("sessionid")
        headers = [(b"host", host.encode()), (b"cookie", f"sessionid={cookie.value if cookie else ''}".encode())]
        if origin:
            headers.append((b"origin", origin.encode()))
        self.client = client
        self.first: dict[str, Any] = {}
        scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers, "subprotocols": []}
        self._wire: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]

    async def connect(self) -> tuple[bool, int]:
        """Whether it was accepted, else the code of the refusal."""
        await self._wire.send_input({"type": "websocket.connect"})
        answer = await self._wire.receive_output(timeout=5)
        return answer["type"] == "websocket.accept", answer.get("code", 0)

    async def leave(self) -> None:
        await self._wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._wire.wait(timeout=5)

    async def send(self, text: str | None = None, data: bytes | None = None) -> None:
        await self._wire.send_input({"type": "websocket.receive", "text": text, "bytes": data})

    async def say(self, *topics: str, since: Any = None) -> dict[str, Any]:
        """Subscribe; the answer, with what came before it as "told"."""
        await self.send(json.dumps({"sub": list(topics), **({} if since is None else {"since": since})}))
        told = []
        while (frame := await self.hear())["t"] != "subscribed":
            told.append(frame)
        return {**frame, "told": told}

    async def hear(self) -> dict[str, Any]:
        """The next frame; {"t": "closed", "code"} at the end."""
        message = await self._wire.receive_output(timeout=5)
        if message["type"] == "websocket.close":
            return {"t": "closed", "code": message["code"]}
        frame: dict[str, Any] = json.loads(message["text"])
        return frame

    async def is_silent(self, seconds: float) -> bool:
        return bool(await self._wire.receive_nothing(seconds, 0.01))

    async def hear_facts(self, seconds: float = 0.4) -> list[list[str]]:
        """The topics of all facts within that time."""
        found, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not await self.is_silent(left):
            frame = await self.hear()
            if frame["t"] == "fact":
                found.append(frame["topics"])
        return found


Open = Callable[..., Awaitable[Socket]]


@pytest.fixture
async def connect() -> AsyncIterator[Open]:
    sockets: list[Socket] = []

    async def open_for(user: User | None, **options: Any) -> Socket:
        client = Client()
        if user:
            await sync_to_async(client.force_login)(user, backend=BACKEND)
        socket = Socket(client, **options)
        accepted, _code = await socket.connect()
        if accepted:
            sockets.append(socket)
            socket.first = await socket.hear()
        return socket

    yield open_for
    for each in sockets:
        await each.leave()
    await get_channel_layer().flush()


async def publish(*args: Any, **kwargs: Any) -> None:
    await sync_to_async(facts.publish)(*args, **kwargs)


# ── who gets in ──


async def test_hello_and_facts(fleet: Fleet, connect: Open) -> None:
    socket = await connect(fleet.root)
    assert abs(socket.first["at"] - time.time() * 1000) < 5000
    assert (await socket.say("machines", f"machine:{fleet.mine.pk}", "machine:999999", "galaxy", "numbers:galaxy:1"))["n"] == 2
    await publish([f"machine:{fleet.mine.pk}", "machines", "host:1"], "state", host_id=fleet.near.pk, machine_id=fleet.mine.pk)
    frame = await socket.hear()
    assert frame == {"t": "fact", "topics": [f"machine:{fleet.mine.pk}", "machines"], "what": "state"}


async def test_without_a_session_it_is_closed_with_a_code_that_the_page_understands(fleet: Fleet, connect: Open) -> None:
    assert (await connect(None)).first == {"t": "closed", "code": 4401}


async def test_a_disabled_person_does_not_get_in(fleet: Fleet, connect: Open) -> None:
    client = Client()
    await sync_to_async(client.force_login)(fleet.ann, backend=BACKEND)
    await User.objects.filter(pk=fleet.ann.pk).aupdate(is_active=False)
    socket = Socket(client)
    await socket.connect()
    assert await socket.hear() == {"t": "closed", "code": 4401}


@pytest.mark.parametrize(
    ("origin", "host", "admitted"),
    [
        ("http://testserver", "testserver", True),
        ("https://testserver", "testserver", True),  # behind a proxy that does TLS
        ("http://localhost:8000", "localhost:8000", True),
        ("http://TESTSERVER", "testserver", True),
        ("http://localhost:9000", "localhost:8000", False),  # another service of the same machine, same cookies
        ("http://localhost", "testserver", False),
        ("http://evil.example", "testserver", False),
        ("http://testserver.evil.example", "testserver", False),
        ("http://evil.example", "evil.example", False),  # DNS pointed at us
        ("http://testserver:x", "testserver", False),
        ("null", "testserver", False),
        ("", "testserver", False),
        ("file://", "testserver", False),
    ],
)
async def test_only_pages_of_ours_get_in(fleet: Fleet, origin: str, host: str, admitted: bool) -> None:
    client = Client()
    await sync_to_async(client.force_login)(fleet.root, backend=BACKEND)
    socket = Socket(client, origin=origin, host=host)
    accepted, _code = await socket.connect()
    assert accepted is admitted
    if accepted:
        await socket.leave()
    await get_channel_layer().flush()


async def test_an_origin_that_is_trusted_by_the_settings_gets_in(fleet: Fleet, connect: Open, settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://portal.example"]
    assert (await connect(fleet.root, origin="https://portal.example")).first["t"] == "hello"


async def test_any_other_path_is_refused(fleet: Fleet) -> None:
    client = Client()
    await sync_to_async(client.force_login)(fleet.root, backend=BACKEND)
    for path in ("/", "/other/", "/live", "/live/x/"):
        accepted, code = await Socket(client, path=path).connect()
        assert (accepted, code) == (False, 4404)


async def test_a_person_has_so_many_sockets_and_no_more(fleet: Fleet, connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "_MOST_SOCKETS_A_PERSON", 2)
    first = await connect(fleet.ann)
    await connect(fleet.ann)
    assert (await connect(fleet.ann)).first == {"t": "closed", "code": 4429}
    assert (await connect(fleet.root)).first["t"] == "hello"
    await first.leave()
    assert (await connect(fleet.ann)).first["t"] == "hello"


# ── rubbish ──


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"sub": "machines"}',
        '{"sub": [1]}',
        '{"sub": {"a": 1}}',
        '{"sub": ["' + "x" * 70 + '"]}',
        "[" * 30_000,
        "nul\x00l",
        '{"sub": ' + str(["m"] * 601).replace("'", '"') + "}",
        '{"sub": [], "x": "' + "y" * 70_000 + '"}',
    ],
)
async def test_rubbish_closes_the_socket(fleet: Fleet, connect: Open, text: str) -> None:
    socket = await connect(fleet.root)
    await socket.send(text)
    assert await socket.hear() == {"t": "closed", "code": 4400}


async def test_bytes_are_rubbish_too(fleet: Fleet, connect: Open) -> None:
    socket = await connect(fleet.root)
    await socket.send(data=b"\x00\xff")
    assert await socket.hear() == {"t": "closed", "code": 4400}


@pytest.mark.parametrize("since", [-1, 1e300, "x", True, None, [1], 0])
async def test_a_strange_time_is_left_out(fleet: Fleet, connect: Open, since: Any) -> None:
    socket = await connect(fleet.root)
    assert "since" not in await socket.say("machines", since=since) or since is True


@pytest.mark.parametrize(
    "topic",
    [
        "machine:",
        "machine:-1",
        "machine:٣",
        "machine:1e3",
        "machine:99999999999999999999",
        "numbers:",
        "numbers:numbers:machine:1",
        ":1",
        "user:1",
        "job:1 or 1=1",
        "people ",
    ],
)
async def test_topics_that_do_not_exist_are_not_heard(fleet: Fleet, connect: Open, topic: str) -> None:
    assert (await (await connect(fleet.root)).say(topic))["n"] == 0


async def test_a_flood_of_wishes_closes_the_socket(fleet: Fleet, connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = await connect(fleet.root)
    for _ in range(consumers._MOST_WISHES_A_MINUTE + 1):
        await socket.send('{"sub": []}')
    while (frame := await socket.hear())["t"] == "subscribed":
        pass
    assert frame == {"t": "closed", "code": 4429}


# ── rights ──


async def test_a_limited_person_hears_nothing_of_what_is_foreign(fleet: Fleet, connect: Open) -> None:
    f, socket = fleet, await connect(fleet.ann)
    wish = ["machines", "hosts", "jobs", "fleet", "people"]
    wish += [f"{kind}:{key}" for machine in (f.mine, f.other, f.foreign) for kind in ("machine", "numbers:machine") for key in [machine.pk]]
    wish += [f"{kind}:{key.pk}" for key in (f.near, f.far) for kind in ("host", "numbers:host")]
    assert (await socket.say(*wish))["n"] == 4 + 2, "the lists without people, and what is hers"

    for machine in (f.other, f.foreign):
        await publish(machine.topics, "state", host_id=machine.host_id, machine_id=machine.pk)
    for host in (f.near, f.far):
        await publish(host.topics, "state", host_id=host.pk)
    await publish(["jobs", "machine:999"], "jobs queued", host_id=f.near.pk, machine_ids=[f.other.pk, 999])
    await publish(["people"], "changed")
    await sync_to_async(facts.publish_numbers)(f.near.pk, [1, 2, 3, 4], {f.other.pk: [1.0]})
    assert await socket.hear_facts() == []

    await publish(f.mine.topics, "state", host_id=f.near.pk, machine_id=f.mine.pk)
    assert await socket.hear_facts() == [[f"machine:{f.mine.pk}", "machines", "fleet"]]
    await publish([*f.near.topics, f"machine:{f.mine.pk}"], "offline", host_id=f.near.pk)
    assert await socket.hear_facts() == [[f"machine:{f.mine.pk}"]], "her machine is stale with its host"
    await publish(["jobs"], "jobs queued", host_id=f.near.pk, machine_ids=[f.other.pk, f.mine.pk])
    assert await socket.hear_facts() == [["jobs"]]
    await sync_to_async(facts.publish_numbers)(f.near.pk, [1, 2, 3, 4], {f.mine.pk: [7.0], f.other.pk: [8.0]})
    assert await socket.hear() == {"t": "numbers", "m": {str(f.mine.pk): [7.0]}}


async def test_only_administrators_hear_of_people(fleet: Fleet, connect: Open) -> None:
    socket = await connect(fleet.root)
    assert (await socket.say("people"))["n"] == 1
    await sync_to_async(people.add)("bob", "correct horse 7 battery")
    assert await socket.hear_facts() == [["people"]]


async def test_a_right_that_is_taken_away_ends_the_news_at_once(fleet: Fleet, connect: Open) -> None:
    socket = await connect(fleet.ann)
    topic = f"machine:{fleet.mine.pk}"
    assert (await socket.say(topic, "machines"))["n"] == 2
    begun = time.monotonic()
    await sync_to_async(people.withdraw)(fleet.grant)
    frames = [await socket.hear() for _ in range(2)]
    assert [frame["t"] for frame in frames] == ["subscribed", "resync"]
    assert frames[0]["n"] == 1
    assert time.monotonic() - begun < 2
    await publish(fleet.mine.topics, "state", host_id=fleet.near.pk, machine_id=fleet.mine.pk)
    await sync_to_async(facts.publish_numbers)(fleet.near.pk, None, {fleet.mine.pk: [1.0]})
    assert await socket.is_silent(0.4)


async def test_a_right_that_is_given_lets_hear_without_asking_again(fleet: Fleet, connect: Open) -> None:
    socket = await connect(fleet.ann)
    assert (await socket.say(f"machine:{fleet.foreign.pk}"))["n"] == 0
    await sync_to_async(people.grant)(fleet.ann, Role.VIEWER, Scope.HOST, fleet.far.pk)
    assert (await socket.hear())["n"] == 1


async def ends_within_two_seconds(socket: Socket) -> None:
    begun = time.monotonic()
    assert await socket.hear() == {"t": "bye", "why": "Signed out"}
    assert await socket.hear() == {"t": "closed", "code": 4401}
    assert time.monotonic() - begun < 2


async def test_disabling_a_person_ends_their_sockets(fleet: Fleet, connect: Open) -> None:
    socket, other = await connect(fleet.ann), await connect(fleet.root)
    await sync_to_async(people.disable)(fleet.ann)
    await ends_within_two_seconds(socket)
    assert await other.is_silent(0.3)


async def test_signing_out_ends_the_sockets_of_that_session_alone(fleet: Fleet, connect: Open) -> None:
    here, there = await connect(fleet.ann), await connect(fleet.ann)
    await sync_to_async(here.client.post)("/account/logout/")
    await ends_within_two_seconds(here)
    assert await there.is_silent(0.3)


async def test_a_new_password_ends_other_sessions_and_sends_ones_own_back_for_the_new_cookie(fleet: Fleet, connect: Open) -> None:
    await sync_to_async(people.set_password)(fleet.ann, "correct horse 7 battery")
    here, there = await connect(fleet.ann), await connect(fleet.ann)
    fields = {"old": "correct horse 7 battery", "password": "another long one 5", "again": "another long one 5"}
    await sync_to_async(here.client.post)("/account/password/", fields)
    assert await here.hear() == {"t": "closed", "code": 4000}
    await ends_within_two_seconds(there)
    again = Socket(here.client)
    await again.connect()
    assert (await again.hear())["t"] == "hello"
    await again.leave()


async def test_a_session_that_runs_out_is_noticed_without_being_told(fleet: Fleet, connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.sessions.models import Session

    monkeypatch.setattr(consumers, "_PING_SECONDS", 0.1)
    monkeypatch.setattr(consumers, "_LOOK_AGAIN_SECONDS", 0.1)
    socket = await connect(fleet.ann)
    await Session.objects.aupdate(expire_date=timezone.now())
    while (frame := await socket.hear())["t"] == "ping":
        pass
    assert frame["t"] == "bye"


# ── news is not lost ──


async def test_what_changed_since_the_page_was_made_is_told(fleet: Fleet, connect: Open) -> None:
    keeper = await connect(fleet.root)  # somebody was here before: the ear is open
    await keeper.say()
    hub.of_this_loop()._complete_since = time.time() - 30
    made = time.time() * 1000
    await publish(fleet.mine.topics, "state", host_id=fleet.near.pk, machine_id=fleet.mine.pk)
    await publish(fleet.foreign.topics, "state", host_id=fleet.far.pk, machine_id=fleet.foreign.pk)
    await asyncio.sleep(0.2)
    socket = await connect(fleet.ann)
    answer = await socket.say("machines", f"machine:{fleet.mine.pk}", "jobs", since=made)
    assert answer["since"] is True
    assert answer["told"] == [{"t": "fact", "topics": [f"machine:{fleet.mine.pk}", "machines"], "what": "since"}]


async def test_a_page_older_than_what_is_known_has_to_look_itself(fleet: Fleet, connect: Open) -> None:
    socket = await connect(fleet.root)
    assert "since" not in await socket.say("machines", since=(time.time() - 600) * 1000)
    assert "since" not in await socket.say("machines", since=time.time() * 1000), "the ear has just been opened"


async def test_after_a_break_of_the_link_to_redis_every_page_looks_again(fleet: Fleet, connect: Open) -> None:
    from live.metrics import store

    socket = await connect(fleet.root)
    await socket.say("machines")
    await publish(["machines"], "before")
    assert (await socket.hear())["what"] == "before"

    def break_links() -> None:
        for client in store().client_list():
            if client["cmd"] in ("subscribe", "publish"):
                store().client_kill_filter(_id=client["id"])

    await sync_to_async(break_links)()
    await publish(["machines"], "lost")  # nobody listens now
    frames = []
    for n in range(40):
        await publish(["hosts"], f"later {n}")
        await asyncio.sleep(0.1)
        while not await socket.is_silent(0.01):
            frames.append(await socket.hear())
        if frames:
            break
    assert frames[0]["t"] == "resync" or frames[0].get("what") == "lost", frames


async def test_a_missing_number_makes_pages_look_again(fleet: Fleet, connect: Open) -> None:
    socket = await connect(fleet.root)
    await socket.say("machines")
    layer = get_channel_layer()
    for number in (1, 2, 4, 3, 5):
        await layer.group_send(facts.GROUP, {"type": "fact", "topics": ["machines"], "what": str(number), "host": 0, "machines": [], "from": ["a", number]})
    heard = [frame.get("what", frame["t"]) for frame in [await socket.hear() for _ in range(6)]]
    assert heard == ["1", "2", "resync", "4", "3", "5"]


async def test_threads_that_publish_at_once_do_not_look_like_a_loss(fleet: Fleet, connect: Open) -> None:
    import threading

    socket = await connect(fleet.root)
    await socket.say("machines")

    def many() -> None:
        for _ in range(50):
            facts.publish(["machines"], "x")

    def run() -> None:
        threads = [threading.Thread(target=many) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    await sync_to_async(run)()
    assert {(await socket.hear())["t"] for _ in range(300)} == {"fact"}


async def test_a_watcher_that_is_silent_is_said_and_its_return_too(fleet: Fleet, connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_PULSE_LATE_SECONDS", 0.5)
    socket = await connect(fleet.ann)
    assert (await socket.hear())["t"] == "stale"
    late = await connect(fleet.root)
    assert (await late.hear())["t"] == "stale", "who comes now is told as well"
    monkeypatch.setattr(hub, "_PULSE_LATE_SECONDS", 60)
    await sync_to_async(facts.publish_pulse)()
    assert (await socket.hear())["t"] == "resync"


async def test_a_browser_that_does_not_read_is_told_to_catch_up(fleet: Fleet) -> None:
    socket = consumers.LiveConsumer()
    for n in range(consumers._MOST_WAITING_FRAMES + 3):
        socket.push({"t": "fact", "n": n})
    assert len(socket._frames) == 3
    assert socket._frames[0] == '{"t": "resync"}'
