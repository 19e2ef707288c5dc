"""Keys, enabling, disabling, removing: what they leave behind, and what two people at once get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts import audit
from accounts.models import AuditEntry, Grant, User
from accounts.roles import Role
from hosts import actions, alarm, duplicates, keys, setup
from hosts.actions import Actor, Draft
from hosts.models import Host, HostSecret, RemovedLocal, State
from jobs.models import Job
from jobs.models import State as JobState
from live import facts
from machines.models import Machine
from tests.integration.hosts.conftest import KEY, OTHER_KEY, add_machines, client_of, person
from virt.uri import Endpoint, parse

NewHost = Callable[..., Host]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str]]:
    """Facts that pages hear of."""
    heard: list[tuple[list[str], str]] = []
    monkeypatch.setattr(facts, "publish", lambda topics, what, **_: heard.append((list(topics), what)))
    return heard


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


# ── the host key ──


def test_first_key_is_confirmed_by_its_fingerprint(as_admin: Client, new_host: NewHost, told: list[Any]) -> None:
    host = new_host(host_key="", host_key_offered=KEY, enabled=False, state=State.NEW)
    page = text_of(as_admin.get(f"/hosts/{host.pk}/test/"))
    assert keys.fingerprint(KEY) in page
    as_admin.post(f"/hosts/{host.pk}/key/", {"fingerprint": keys.fingerprint(KEY)})
    now = Host.objects.get()
    assert (now.host_key, now.host_key_offered, now.revision) == (KEY, "", 2)
    assert (now.enabled, now.state) == (False, State.NEW), "followed once the test has passed"
    assert Job.objects.get(kind="hosts.test").params == {"revision": 2}
    assert (host.topics, "key") in told
    assert AuditEntry.objects.filter(action="hosts.key", subject=host.name, detail__now=keys.fingerprint(KEY)).exists()


def test_another_key_than_the_one_that_was_seen_is_not_pinned(as_admin: Client, new_host: NewHost) -> None:
    host = new_host(host_key="", host_key_offered=OTHER_KEY, enabled=False, state=State.NEW)
    answer = as_admin.post(f"/hosts/{host.pk}/key/", {"fingerprint": keys.fingerprint(KEY)}, headers={"WV-Async": "1"})
    assert answer.status_code == 409
    assert "another key than the one that you saw" in text_of(answer)
    assert Host.objects.get().host_key == ""
    assert as_admin.post(f"/hosts/{host.pk}/key/", {"fingerprint": ""}, headers={"WV-Async": "1"}).status_code == 409


def test_changed_key_stops_the_host_once_and_for_all_who_notice(new_host: NewHost, told: list[Any]) -> None:
    host = new_host()
    assert alarm.raise_alarm(host, OTHER_KEY)
    assert not alarm.raise_alarm(host, OTHER_KEY)
    now = Host.objects.get()
    assert (now.state, now.host_key, now.host_key_offered, now.revision) == (State.ALARM, KEY, OTHER_KEY, 2)
    event = now.events.get()
    assert keys.fingerprint(KEY) in event.words
    assert keys.fingerprint(OTHER_KEY) in event.words
    assert [what for _, what in told] == ["alarm"]
    assert AuditEntry.objects.get(action="hosts.key-changed").result == "refused"


def test_an_alarm_without_the_key_asks_for_it(new_host: NewHost) -> None:
    """ssh tells the watcher that the key is another one, not which."""
    host = new_host()
    alarm.raise_alarm(host)
    job = Job.objects.get()
    assert (job.kind, job.subject_id, job.params, job.asked_by_name) == ("hosts.test", host.pk, {"revision": 2}, "")


def test_an_alarm_about_a_key_that_was_replaced_meanwhile_is_late(new_host: NewHost) -> None:
    host = new_host()
    Host.objects.update(host_key=OTHER_KEY)
    assert not alarm.raise_alarm(host, OTHER_KEY)
    assert Host.objects.get().state == State.ONLINE


def test_changed_key_is_confirmed_only_with_the_word_that_it_was_compared(as_admin: Client, new_host: NewHost) -> None:
    host = new_host()
    alarm.raise_alarm(host, OTHER_KEY)
    page = text_of(as_admin.get(f"/hosts/{host.pk}/key/"))
    assert keys.fingerprint(KEY) in page
    assert keys.fingerprint(OTHER_KEY) in page
    wish = {"fingerprint": keys.fingerprint(OTHER_KEY)}
    assert as_admin.post(f"/hosts/{host.pk}/key/", wish, headers={"WV-Async": "1"}).status_code == 422
    assert Host.objects.get().state == State.ALARM
    as_admin.post(f"/hosts/{host.pk}/key/", {**wish, "compared": "yes"})
    now = Host.objects.get()
    assert (now.state, now.host_key, now.error) == (State.CONNECTING, OTHER_KEY, "")
    assert f"which replaces {keys.fingerprint(KEY)}" in now.events.filter(kind="key").get().words


# ── on and off ──


def test_disable_and_enable(new_host: NewHost, told: list[Any]) -> None:
    host = new_host()
    client = client_of(person("mia", Role.MANAGER, host))
    client.post(f"/hosts/{host.pk}/disable/")
    now = Host.objects.get()
    assert (now.enabled, now.state, now.revision) == (False, State.DISABLED, 2)
    client.post(f"/hosts/{host.pk}/disable/")
    assert Host.objects.get().revision == 2, "twice is once"
    client.post(f"/hosts/{host.pk}/enable/")
    now = Host.objects.get()
    assert (now.enabled, now.state, now.revision) == (True, State.CONNECTING, 3)
    assert [event.kind for event in now.events.order_by("id")] == ["disabled", "enabled"]
    assert [what for _, what in told] == ["disabled", "enabled"]


def test_a_host_whose_key_nobody_confirmed_is_not_followed(as_admin: Client, new_host: NewHost) -> None:
    host = new_host(host_key="", enabled=False, state=State.NEW)
    answer = as_admin.post(f"/hosts/{host.pk}/enable/", headers={"WV-Async": "1"})
    assert (answer.status_code, Host.objects.get().enabled) == (409, False)
    assert "not confirmed yet" in text_of(answer)


def test_a_host_with_work_in_progress_is_not_let_go(as_admin: Client, new_host: NewHost) -> None:
    host = new_host()
    machine = add_machines(host, 1)[0]
    Job.objects.create(kind="machines.start", subject_type="machine", subject_id=machine.pk, subject_name="m000", host_id=host.pk, state=JobState.RUNNING)
    for path, data in (("disable", {}), ("remove", {"typed": host.name})):
        answer = as_admin.post(f"/hosts/{host.pk}/{path}/", data, headers={"WV-Async": "1"})
        assert "Start m000 is not finished" in text_of(answer)
    assert Host.objects.get().enabled


def test_the_second_of_two_is_told(new_host: NewHost) -> None:
    host = new_host()
    mine, theirs = Host.objects.get(pk=host.pk), Host.objects.get(pk=host.pk)
    actions.disable(theirs, Actor())
    with pytest.raises(actions.Stale, match="changed meanwhile"):
        actions.disable(mine, Actor())


def test_a_test_that_runs_is_not_asked_for_twice(new_host: NewHost) -> None:
    host = new_host()
    first = actions.test(host, Actor())
    assert actions.test(host, Actor()) == first
    Host.objects.update(revision=5)
    assert actions.test(Host.objects.get(), Actor()) != first, "the old one is about what the host was"


# ── removing ──


def test_removing_asks_for_the_name(as_admin: Client, new_host: NewHost) -> None:
    host = new_host("kvm-1")
    piece = text_of(as_admin.get(f"/hosts/{host.pk}/remove/", headers={"WV-Fragment": "dialog"}))
    assert "On the host nothing changes" in piece
    assert "<html" not in piece
    page = as_admin.post(f"/hosts/{host.pk}/remove/", {"typed": "kvm-2"})
    assert page.status_code == 422
    assert "type its name: kvm-1" in text_of(page)
    assert Host.objects.exists()


def test_removing_takes_all_that_is_ours(as_admin: Client, new_host: NewHost, told: list[Any]) -> None:
    host, other = new_host("kvm-1"), new_host("kvm-2")
    add_machines(host, 3)
    add_machines(other, 1)
    HostSecret.put(host, "private_key", "x")
    person("ann", Role.MANAGER, host)
    answer = as_admin.post(f"/hosts/{host.pk}/remove/", {"typed": " kvm-1 "}, headers={"WV-Async": "1"})
    assert (answer.status_code, answer.headers["WV-Location"]) == (204, "/hosts/")
    assert [left.name for left in Host.objects.all()] == ["kvm-2"]
    assert (Machine.objects.count(), HostSecret.objects.count(), Grant.objects.count()) == (1, 0, 0)
    assert told == [([*host.topics, "machines"], "removed")]
    assert AuditEntry.objects.filter(action="hosts.remove", subject="kvm-1", actor="root").exists()
    assert audit.first_broken() is None


# ── the same host twice ──


def test_duplicates_are_the_same_daemon_on_the_same_machine(new_host: NewHost) -> None:
    uuid = "11111111-2222-3333-4444-555555555555"
    first, second = new_host("a", host_uuid=uuid), new_host("b", host_uuid=uuid, kind="tls")
    new_host("session", host_uuid=uuid, session=True)
    new_host("elsewhere", host_uuid="x")
    assert duplicates.others(first) == [second]
    assert duplicates.others(new_host("unknown")) == []
    assert duplicates.others(new_host("now seen"), uuid) == [first, second]


def test_a_duplicate_is_noted_once_and_shown(as_admin: Client, new_host: NewHost) -> None:
    first, second = new_host("a", host_uuid="u"), new_host("b", host_uuid="u")
    for _ in range(3):
        assert duplicates.note(first) == [second]
    assert first.events.get().kind == "duplicate"
    page = text_of(as_admin.get(f"/hosts/{first.pk}/"))
    assert "The same host twice" in page
    assert f'href="/hosts/{second.pk}/"' in page
    mine = text_of(client_of(person("ann", Role.VIEWER, first)).get(f"/hosts/{first.pk}/"))
    assert f'href="/hosts/{second.pk}/"' not in mine


# ── this machine's own ──


def test_local_is_added_once_and_followed() -> None:
    endpoint = Endpoint(kind="local")
    assert "Added to the hosts as box" in setup.ensure_local(endpoint, name="box")
    assert "among the hosts as box" in setup.ensure_local(endpoint, name="box")
    host = Host.objects.get()
    assert (host.name, host.kind, host.enabled, host.state) == ("box", "local", True, State.CONNECTING)


def test_local_that_a_person_removed_stays_away_until_a_person_adds_it(admin: User) -> None:
    endpoint = Endpoint(kind="local")
    setup.ensure_local(endpoint, name="box")
    actions.remove(Host.objects.get(), "box", Actor(admin))
    assert RemovedLocal.objects.get().actor == "root"
    assert "Somebody removed it" in setup.ensure_local(endpoint)
    assert not Host.objects.exists()
    actions.add(Draft("again", endpoint), Actor(admin))
    assert not RemovedLocal.objects.exists()


def test_local_is_known_under_another_address(new_host: NewHost) -> None:
    new_host("by-ssh", host_uuid="u")
    assert "among the hosts as by-ssh" in setup.ensure_local(Endpoint(kind="local"), host_uuid="u")


def test_local_finds_a_free_name(new_host: NewHost) -> None:
    new_host("box")
    assert "as box-2" in setup.ensure_local(Endpoint(kind="local"), name="box")
    assert setup.own_name()


# ── what the API and the command line could send ──


@pytest.mark.parametrize(("name", "uri"), [("a<b", "qemu:///system"), ("x" * 64, "qemu:///system"), ("p", "qemu+unix:///system?socket=/" + "x" * 300)])
def test_actions_check_for_themselves(name: str, uri: str) -> None:
    with pytest.raises(actions.Refused):
        actions.add(Draft(name, parse(uri)), Actor())
    assert not Host.objects.exists()


def test_ssh_without_a_known_key_is_never_enabled_at_once() -> None:
    host = actions.add(Draft("a", parse("qemu+ssh://h/system")), Actor(), enable=True)
    assert (host.enabled, host.state) == (False, State.NEW)
    known = actions.add(Draft("b", parse("qemu+ssh://h2/system"), host_key=KEY), Actor(), enable=True)
    assert (known.enabled, known.state) == (True, State.CONNECTING)
