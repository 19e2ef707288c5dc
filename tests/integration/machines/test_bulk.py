"""One verb for many machines: each with its own result."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry, User
from accounts.roles import Role
from hosts.models import Host
from hosts.models import State as HostState
from jobs import run
from jobs.models import Job
from jobs.models import State as JobState
from machines.models import Machine, State
from tests import inventory
from tests.integration.machines.conftest import ASYNC, client_of, text_of


@pytest.fixture
def three() -> list[Machine]:
    """One that is off, one that runs, one that paused."""
    host = inventory.host()
    return [inventory.machine(host, name, state=state) for name, state in (("a-off", "off"), ("b-on", "running"), ("c-paused", "paused"))]


def bulk(client: Client, action: str, machines: Any, **more: str) -> Any:
    return client.post("/machines/power/", {"action": action, "ids": [machine.pk for machine in machines], **more}, headers=ASYNC)


def test_each_machine_has_its_result(as_admin: Client, three: list[Machine]) -> None:
    answer = bulk(as_admin, "start", three)
    assert answer.status_code == 200
    [job] = Job.objects.all()
    assert (job.kind, job.subject_name, bool(job.batch)) == ("machines.start", "a-off", True)
    page = text_of(answer)
    assert f'href="/jobs/{job.pk}/"' in page
    assert [outcome.name for outcome in answer.context["refused"]] == ["b-on", "c-paused"]
    assert page.count("It is on already.") == 2
    assert "<html" not in page
    assert "<html" in text_of(as_admin.post("/machines/power/", {"action": "start", "ids": [three[1].pk]}))


def test_who_is_busy_is_told(as_admin: Client, three: list[Machine]) -> None:
    as_admin.post(f"/machines/{three[0].pk}/power/", {"action": "start"}, headers=ASYNC)
    answer = bulk(as_admin, "start", three)
    assert "Another operation on it is running." in text_of(answer)
    assert Job.objects.count() == 1


def test_rights_decide_for_each(three: list[Machine]) -> None:
    client = client_of(_with_two_roles(three[0], three[1]))
    Machine.objects.update(state=State.OFF)
    answer = bulk(client, "start", three)
    assert [job.subject_name for job in Job.objects.all()] == ["a-off"]
    assert [(outcome.name, outcome.refused) for outcome in answer.context["refused"]] == [("b-on", "This needs the role operator.")]
    assert "c-paused" not in text_of(answer), "foreign machines are not even named"


def test_silent_hosts_are_left_alone(as_admin: Client, three: list[Machine]) -> None:
    Host.objects.update(state=HostState.OFFLINE)
    assert text_of(bulk(as_admin, "start", three)).count("kvm-01 does not answer.") == 3


@pytest.mark.parametrize("verb", ["force-off", "reset", "nmi"])
def test_what_does_harm_is_asked_back(as_admin: Client, three: list[Machine], verb: str) -> None:
    answer = bulk(as_admin, verb, three)
    page = text_of(answer)
    assert not Job.objects.exists()
    assert "3 machines?" in page
    assert 'name="confirmed"' in page
    for machine in three:
        assert f'name="ids" value="{machine.pk}"' in page
    assert bulk(as_admin, verb, three, confirmed="1").context["accepted"]


def test_all_of_a_filter_is_asked_back_and_means_the_filter(as_admin: Client, three: list[Machine]) -> None:
    data = {"action": "shutdown", "all": "?f=state:running&page=3", "ids": [three[0].pk]}
    question = text_of(as_admin.post("/machines/power/", data, headers=ASYNC))
    assert "1 machine?" in question
    assert "b-on" in question
    assert not Job.objects.exists()
    as_admin.post("/machines/power/", {**data, "confirmed": "1"}, headers=ASYNC)
    assert [job.subject_name for job in Job.objects.all()] == ["b-on"]


def test_all_without_a_filter_means_all(as_admin: Client, three: list[Machine]) -> None:
    answer = as_admin.post("/machines/power/", {"action": "pause", "all": "?", "confirmed": "1"}, headers=ASYNC)
    assert answer.context["count"] == 3


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"action": "start"},
        {"action": "explode", "ids": ["1"]},
        {"action": "start", "ids": ["x", "-1", "9" * 40]},
        {"action": "start", "ids": ["1"], "all": "x" * 9000},
    ],
)
def test_what_makes_no_sense_does_nothing(as_admin: Client, three: list[Machine], data: dict[str, Any]) -> None:
    answer = as_admin.post("/machines/power/", data, headers=ASYNC)
    assert answer.status_code in (200, 400)
    assert not Job.objects.exists()


def test_asked_and_refused_are_in_the_audit_log_by_name(as_admin: Client, three: list[Machine]) -> None:
    bulk(as_admin, "start", three)
    entries = {entry.result: entry for entry in AuditEntry.objects.filter(action="machines.start")}
    assert entries["asked"].detail["names"] == ["a-off"]
    assert entries["refused"].detail["why"] == {"b-on": "It is on already.", "c-paused": "It is on already."}
    assert {entry.actor for entry in entries.values()} == {"root"}


def test_who_has_too_much_under_way_is_told(as_admin: Client, three: list[Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.submit.MOST_ACTIVE_OF_A_PERSON", 1)
    Machine.objects.update(state=State.RUNNING)
    answer = bulk(as_admin, "reboot", three)
    assert answer.status_code == 409
    assert "not finished" in text_of(answer)
    assert not Job.objects.exists()


def test_how_a_batch_stands_can_be_looked_up(as_admin: Client, three: list[Machine]) -> None:
    Machine.objects.update(state=State.RUNNING)
    bulk(as_admin, "reboot", three)
    first, second, _third = Job.objects.order_by("id")
    Job.objects.filter(pk=first.pk).update(state=JobState.DONE)
    Job.objects.filter(pk=second.pk).update(state=JobState.FAILED, error="The guest <b>refused</b>.")
    page = text_of(as_admin.get(f"/machines/power/{first.batch}/"))
    assert "2 of 3 ended" in page
    assert "1 failed" in page
    assert "The guest &lt;b&gt;refused" in page
    assert text_of(as_admin.get(f"/machines/power/{first.batch}/", headers={"WV-Fragment": "batch"})).startswith('<wv-live id="batch"')
    assert as_admin.get("/machines/power/nothing/").status_code == 404
    stranger = client_of(inventory.person("stranger"))
    assert stranger.get(f"/machines/power/{first.batch}/").status_code == 404


def test_a_forced_batch_replaces_the_gentle_one(as_admin: Client, three: list[Machine]) -> None:
    Machine.objects.update(state=State.RUNNING)
    bulk(as_admin, "shutdown", three)
    Job.objects.update(state=JobState.RUNNING, wait_until="2100-01-01T00:00:00Z")
    answer = bulk(as_admin, "force-off", three, confirmed="1")
    assert answer.context["accepted"] == 3
    assert Job.objects.filter(kind="machines.shutdown", state=JobState.CANCELLED).count() == 3


def test_a_whole_fleet_takes_seconds_and_few_queries(as_admin: Client) -> None:
    inventory.fleet(10, 100)
    Machine.objects.update(state=State.OFF)
    Host.objects.update(state=HostState.ONLINE)
    before = time.perf_counter()
    with CaptureQueriesContext(connection):
        answer = as_admin.post("/machines/power/", {"action": "start", "all": "?", "confirmed": "1"}, headers=ASYNC)
    assert answer.context["accepted"] == 1000
    assert time.perf_counter() - before < 10
    assert Job.objects.values("batch").distinct().count() == 1
    assert len(answer.content) < 200_000


def test_a_worker_hands_the_batch_to_the_broker(as_admin: Client, three: list[Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    Machine.objects.update(state=State.RUNNING)
    bulk(as_admin, "reboot", three)
    sent: list[int] = []
    monkeypatch.setattr(run, "enqueue", lambda job: sent.append(job.pk))
    run.enqueue_batch(Job.objects.first().batch)  # type: ignore[union-attr]
    assert sent == sorted(Job.objects.values_list("pk", flat=True))


def _with_two_roles(operated: Machine, viewed: Machine) -> User:
    user = inventory.person(role=Role.OPERATOR, on=operated)
    inventory.grant(user, Role.VIEWER, viewed)
    return user
