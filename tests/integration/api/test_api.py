"""The REST API as a program uses it: what it answers, what it refuses and in which words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts import people, tokens
from accounts.models import AuditEntry, Grant, User
from accounts.roles import Role, Scope
from hosts.models import Host, HostSecret
from jobs.models import Job, JobLine, State
from machines.models import Machine, MachineSample
from machines.models import State as MachineState


class Api:
    """A program with a token."""

    def __init__(self, user: User) -> None:
        self._headers = {"Authorization": f"Bearer {tokens.create(user, 'test')}"}
        self._client = Client(raise_request_exception=False)

    def __call__(self, method: str, path: str, body: Any = None, **question: Any) -> Any:
        if method == "GET":
            return self._client.get(f"/api/v1/{path}", question, headers=self._headers)
        return self._client.generic(method, f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=self._headers)


@pytest.fixture(autouse=True)
def _no_broker(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda *args, **options: None)


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create(username="root", first_name="Root", is_superuser=True)


@pytest.fixture
def api(root: User) -> Api:
    return Api(root)


@pytest.fixture
def host(db: None) -> Host:
    return Host.objects.create(name="kvm-1", kind="ssh", address="kvm-1.example", state="online", memory_bytes=2**36)


@pytest.fixture
def make(host: Host) -> Iterator[Callable[..., Machine]]:
    def machine(name: str, state: str = MachineState.OFF, **fields: Any) -> Machine:
        number = Machine.objects.count() + 1
        return Machine.objects.create(host=host, uuid=f"00000000-0000-0000-0000-{number:012d}", name=name, state=state, **fields)

    yield machine


# ── who ──


def test_me(api: Api, root: User, host: Host) -> None:
    assert api("GET", "me").json() == {"id": root.pk, "name": "root", "full_name": "Root", "administrator": True, "grants": []}
    ann = User.objects.create(username="ann")
    Grant.objects.create(user=ann, role=Role.OPERATOR, scope=Scope.HOST, object_id=host.pk)
    assert Api(ann)("GET", "me").json()["grants"] == [{"role": "operator", "scope": "host", "object_id": host.pk}]


def test_without_a_token_it_says_how_to_send_one(db: None) -> None:
    answer = Client().get("/api/v1/me")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["error"]


def test_a_token_dies_with_its_person(root: User) -> None:
    ann = User.objects.create(username="ann")
    program = Api(ann)
    assert program("GET", "me").status_code == 200
    people.disable(ann)
    assert program("GET", "me").status_code == 401


# ── machines ──


def test_the_list_has_the_filters_the_order_and_the_pages_of_the_page(api: Api, make: Callable[..., Machine]) -> None:
    for n in range(7):
        make(f"web-{n}", MachineState.RUNNING if n % 2 else MachineState.OFF, vcpus=n)
    make("db <b>'\"😀")
    answer = api("GET", "machines", q="state:running web", sort="-vcpus", size=2, page=1).json()
    assert (answer["total"], [one["name"] for one in answer["items"]]) == (3, ["web-5", "web-3"])
    assert [one["name"] for one in api("GET", "machines", q="state:running web", sort="-vcpus", size=2, page=2).json()["items"]] == ["web-1"]
    assert api("GET", "machines", q="db").json()["items"][0]["name"] == "db <b>'\"😀"
    assert api("GET", "machines", page=99).json()["items"] == []
    wrong = api("GET", "machines", q="cpu>much")
    assert wrong.status_code == 422
    assert "much" in wrong.json()["error"]


def test_a_machine_says_when_its_host_is_silent(api: Api, make: Callable[..., Machine], host: Host) -> None:
    machine = make("web", MachineState.RUNNING, addresses=[{"ip": "192.0.2.7", "prefix": 24, "mac": "", "source": "agent"}])
    shown = api("GET", f"machines/{machine.pk}").json()
    assert (shown["state"], shown["stale"], shown["host_name"], shown["addresses"][0]["ip"]) == ("running", False, "kvm-1", "192.0.2.7")
    Host.objects.update(state="offline", last_seen_at=timezone.now())
    assert api("GET", f"machines/{machine.pk}").json()["stale"] is True


def test_power_answers_with_the_job_and_where_it_is(api: Api, make: Callable[..., Machine]) -> None:
    machine = make("web")
    answer = api("PUT", f"machines/{machine.pk}/power", {"action": "start"})
    job = Job.objects.get()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{job.pk}"
    assert (answer.json()["state"], answer.json()["kind"], answer.json()["asked_by"]) == ("queued", "machines.start", "root")
    assert api("GET", answer.headers["Location"].removeprefix("/api/v1/")).json()["id"] == job.pk
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.actor, entry.result, entry.address) == ("machines.start", "web", "root", "asked", "127.0.0.1")


def test_power_is_refused_with_the_reason(api: Api, make: Callable[..., Machine], host: Host) -> None:
    machine = make("web")
    assert api("PUT", f"machines/{machine.pk}/power", {"action": "shutdown"}).json() == {"error": "web: It is not running."}
    api("PUT", f"machines/{machine.pk}/power", {"action": "start"})
    busy = api("PUT", f"machines/{machine.pk}/power", {"action": "start"})
    assert busy.status_code == 409
    assert "root is at it: start of web" in busy.json()["error"]
    Host.objects.update(state="offline")
    silent = api("PUT", f"machines/{machine.pk}/power", {"action": "start"})
    assert (silent.status_code, silent.json()["error"]) == (409, "web: kvm-1 does not answer.")
    wrong = api("PUT", f"machines/{machine.pk}/power", {"action": "explode"})
    assert wrong.status_code == 422
    assert wrong.json()["detail"][0]["field"].endswith("action")
    assert Job.objects.count() == 1


def test_many_at_once_have_a_result_each(api: Api, make: Callable[..., Machine]) -> None:
    off, on = make("off"), make("on", MachineState.RUNNING)
    answer = api("POST", "machines/power", {"action": "start", "ids": [on.pk, off.pk, 10**9]})
    assert answer.status_code == 202
    told = {one["name"]: (one["job"] and one["job"]["state"], one["refused"]) for one in answer.json()}
    assert told == {"off": ("queued", ""), "on": (None, "It is on already.")}
    assert api("POST", "machines/power", {"action": "start", "ids": []}).status_code == 422
    assert api("POST", "machines/power", {"action": "start", "ids": [1] * 10_001}).status_code == 422


def test_autostart(api: Api, make: Callable[..., Machine]) -> None:
    answer = api("PUT", f"machines/{make('web').pk}/autostart", {"on": True})
    assert answer.status_code == 202
    assert Job.objects.get().params == {"on": True}
    transient = api("PUT", f"machines/{make('shadow', persistent=False).pk}/autostart", {"on": True})
    assert transient.status_code == 409


def test_metrics(api: Api, make: Callable[..., Machine]) -> None:
    machine = make("web", MachineState.RUNNING)
    MachineSample.objects.create(machine=machine, resolution=60, at=timezone.now() - timedelta(minutes=20), cpu_percent=12.5, memory_used=2**30)
    numbers = api("GET", f"machines/{machine.pk}/metrics", range="1h").json()
    assert 12.5 in numbers["cpu"]
    assert len(numbers["at"]) == len(numbers["cpu"]) == len(numbers["rx"])
    assert api("GET", f"machines/{machine.pk}/metrics", range="1000y").status_code == 422


# ── hosts ──


def test_a_host_from_its_making_to_its_end(api: Api) -> None:
    made = api("POST", "hosts", {"kind": "tcp", "name": "kvm-2", "address": "kvm-2.example", "sasl_user": "u", "sasl_password": "very-secret"})
    assert made.status_code == 201, made.content
    key = made.json()["id"]
    assert (made.json()["state"], made.json()["enabled"]) == ("new", False)
    assert "very-secret" not in made.content.decode()
    assert HostSecret.all_of(Host.objects.get(pk=key))["sasl_password"] == "very-secret"

    tested = api("POST", f"hosts/{key}/test", {})
    assert tested.status_code == 202
    assert tested.headers["Location"] == f"/api/v1/jobs/{tested.json()['id']}"
    Job.objects.update(state=State.DONE)

    way = {"console_way": "ssh", "console_address": "jump.example", "console_port": 2222, "console_login": "virt"}
    wish = {"kind": "tcp", "name": "kvm-two", "address": "kvm-2.example", "sasl_user": "u", "revision": made.json()["revision"], **way}
    changed = api("PUT", f"hosts/{key}", wish)
    assert changed.status_code == 200, changed.content
    assert changed.json()["name"] == "kvm-two"
    assert {name: changed.json()[name] for name in way} == way
    assert api("PUT", f"hosts/{key}", {**wish, "console_login": "-x", "revision": 2}).status_code == 422
    stale = api("PUT", f"hosts/{key}", {**wish, "name": "other"})
    assert stale.status_code == 409
    assert "changed meanwhile" in stale.json()["error"]
    assert HostSecret.all_of(Host.objects.get(pk=key))["sasl_password"] == "very-secret", "what was not sent is kept"

    assert api("PUT", f"hosts/{key}/enable").json()["enabled"] is True
    assert api("PUT", f"hosts/{key}/disable").json()["state"] == "disabled"
    assert api("DELETE", f"hosts/{key}", {"name": "wrong"}).status_code == 409
    assert api("DELETE", f"hosts/{key}", {"name": "kvm-two"}).status_code == 204
    assert api("GET", f"hosts/{key}").status_code == 404
    assert "very-secret" not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"kind": "ssh", "name": "a", "address": "-oProxyCommand=id"}, 422, "address"),
        ({"kind": "ssh", "name": "a\nb", "address": "a.example"}, 422, "name"),
        ({"kind": "ssh", "name": "kvm-1", "address": "other.example"}, 409, "name"),
        ({"kind": "ssh", "name": "other", "address": "kvm-1.example"}, 409, "address"),
        ({"kind": "carrier pigeon", "name": "a"}, 422, ""),
        ({"name": "a"}, 422, ""),
        ({"kind": "ssh", "name": "a", "address": "a.example", "port": 70000}, 422, "port"),
    ],
)
def test_a_host_that_makes_no_sense_is_not_made(api: Api, host: Host, wish: dict[str, Any], status: int, words: str) -> None:
    answer = api("POST", "hosts", wish)
    assert answer.status_code == status, answer.content
    assert words in answer.json()["error"] + str(answer.json().get("detail", "")) + answer.json().get("field", "")
    assert Host.objects.count() == 1


# ── jobs ──


def test_jobs_are_read_followed_and_cancelled(api: Api, make: Callable[..., Machine]) -> None:
    machine = make("web")
    number = api("PUT", f"machines/{machine.pk}/power", {"action": "start"}).json()["id"]
    JobLine.objects.create(job_id=number, text="Starting <b>")
    assert [line["text"] for line in api("GET", f"jobs/{number}/log").json()] == ["Starting <b>"]
    assert api("GET", "jobs", state="queued", subject_type="machine", subject_id=machine.pk).json()["total"] == 1
    assert api("GET", "jobs", state="done").json()["items"] == []
    cancelled = api("POST", f"jobs/{number}/cancel", {})
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    again = api("POST", f"jobs/{number}/cancel", {})
    assert (again.status_code, again.json()["error"]) == (409, "It has ended.")
    assert AuditEntry.objects.filter(action="jobs.cancel", actor="root").count() == 1


def test_a_job_in_the_middle_that_cannot_be_stopped_says_so(api: Api, make: Callable[..., Machine]) -> None:
    api("PUT", f"machines/{make('web').pk}/power", {"action": "start"})
    Job.objects.update(state=State.RUNNING, claim="a worker", attempts=1)
    answer = api("POST", f"jobs/{Job.objects.get().pk}/cancel", {})
    assert (answer.status_code, answer.json()["error"]) == (409, "It can't be stopped in the middle; it takes seconds.")


# ── errors and documentation ──


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "nowhere", 404), ("PATCH", "hosts", 405), ("GET", "machines/7/power", 405), ("GET", "jobs/999", 404)]
)
def test_every_error_is_json_with_words(api: Api, method: str, path: str, status: int) -> None:
    answer = api(method, path, {})
    assert answer.status_code == status
    assert answer.json()["error"]
    assert answer.headers["Content-Type"].startswith("application/json")


def test_the_documentation_names_every_call_and_asks_nothing_of_others(root: User) -> None:
    browser = Client()
    schema = browser.get("/api/v1/openapi.json").json()
    browser.force_login(root, backend="allauth.account.auth_backends.AuthenticationBackend")
    for page in (browser.get("/api/v1/docs").content.decode(), Client().get("/api/v1/docs").content.decode()):
        for path, methods in schema["paths"].items():
            assert path in page
            assert all(methods[method]["summary"] in page for method in methods)
        assert "http://" not in page.replace("http://testserver", "").replace("http://www.w3.org", "")
        assert "https://" not in page
        assert " style=" not in page
        assert "<style" not in page


def test_a_list_costs_the_same_number_of_queries_whatever_its_length(api: Api, make: Callable[..., Machine], django_assert_max_num_queries: Any) -> None:
    for n in range(60):
        make(f"m{n}")
    with django_assert_max_num_queries(5):
        assert len(api("GET", "machines", size=50).json()["items"]) == 50
