"""The connection test as a job, against what this machine itself can offer; real hosts are in tests/lab/hosts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from django.test import Client

from hosts import actions, keys, operations, steps
from hosts.actions import Actor
from hosts.endpoints import endpoint_of
from hosts.models import Host, HostTest, State
from jobs.models import Job
from jobs.models import State as JobState
from jobs.work import Work
from live import facts
from tests.integration.hosts.conftest import KEY
from virt.errors import VirtError

NewHost = Callable[..., Host]


def outcome_of(host: Host) -> tuple[HostTest, str]:
    """The test's record, and the words with which its job failed."""
    job = actions.test(Host.objects.get(pk=host.pk), Actor())
    said = ""
    try:
        operations.test(Work(job))
    except VirtError as exc:
        said = str(exc)
    Job.objects.update(state=JobState.DONE)
    return HostTest.objects.get(job_id=job.pk), said


def names(test: HostTest) -> list[tuple[str, bool]]:
    return [(step["name"], step["ok"]) for step in test.steps]


@dataclass(frozen=True)
class Server:
    port: int
    line: str


@contextmanager
def ssh_server() -> Iterator[Server]:
    """An SSH server that shows its key and lets nobody in."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()

    async def start() -> Any:
        return await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key], server_factory=asyncssh.SSHServer)

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield Server(server.get_port(), " ".join(key.export_public_key().decode().split()[:2]))
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def test_new_host_is_followed_once_its_test_has_passed(new_host: NewHost) -> None:
    host = new_host(kind="test", address="", host_key="", enabled=False, state=State.NEW)
    test, said = outcome_of(host)
    assert (test.passed, said, names(test)) == (True, "", [("version", True)])
    now = Host.objects.get()
    assert (now.enabled, now.state, now.revision) == (True, State.CONNECTING, 2)
    assert [event.words for event in now.events.all()] == ["Its connection test passed."]


def test_disabled_host_is_tested_and_stays_disabled(new_host: NewHost) -> None:
    host = new_host(kind="test", address="", enabled=False, state=State.DISABLED)
    assert outcome_of(host)[0].passed
    assert (Host.objects.get().enabled, Host.objects.get().state) == (False, State.DISABLED)


def test_host_that_did_not_answer_is_tried_again_at_once(new_host: NewHost) -> None:
    host = new_host(kind="test", address="", state=State.OFFLINE)
    outcome_of(host)
    assert (Host.objects.get().state, Host.objects.get().revision) == (State.CONNECTING, 2)
    online = new_host(kind="test", address="", path="/default", state=State.ONLINE)
    outcome_of(online)
    assert Host.objects.get(pk=online.pk).revision == 1, "a good connection is not broken off"


@pytest.mark.parametrize(
    ("fields", "broken", "words"),
    [
        ({"address": "no-such-host.invalid"}, "name", "can't be resolved"),
        ({"address": "127.0.0.1", "port": 1}, "port", "refuses connections to port 1"),
        ({"address": "127.0.0.1", "port": 1, "kind": "tcp"}, "port", "refuses"),
        ({"address": "", "kind": "socket", "path": "/nonexistent/libvirt-sock"}, "libvirt socket", "not there"),
    ],
)
def test_the_broken_step_is_named_with_its_fix(new_host: NewHost, as_admin: Client, fields: dict[str, Any], broken: str, words: str) -> None:
    host = new_host(enabled=False, state=State.NEW, **fields)
    test, said = outcome_of(host)
    assert not test.passed
    assert names(test)[-1] == (broken, False)
    assert all(ok for _, ok in names(test)[:-1])
    assert words in said
    assert test.steps[-1]["fix"]
    assert not Host.objects.get().enabled
    page = str(as_admin.get(f"/hosts/{host.pk}/test/").content.decode())
    assert f"It stops at <b>{steps.TITLES[broken]}</b>" in page


def test_first_key_waits_to_be_confirmed(new_host: NewHost) -> None:
    with ssh_server() as server:
        host = new_host(address="127.0.0.1", port=server.port, host_key="", enabled=False, state=State.NEW)
        test, said = outcome_of(host)
        assert (names(test)[-1], said) == (("host key", False), "")
        assert test.steps[-1]["state"] == "asks"
        now = Host.objects.get()
        assert (now.host_key, now.host_key_offered, now.state) == ("", server.line, State.NEW)
        actions.confirm_key(now, keys.fingerprint(server.line), Actor())
        test, said = outcome_of(host)
    assert names(test)[-2:] == [("host key", True), ("login", False)]
    assert "does not accept the portal's SSH key" in said


def test_changed_key_stops_a_host_that_is_followed(new_host: NewHost) -> None:
    with ssh_server() as server:
        host = new_host(address="127.0.0.1", port=server.port, host_key=KEY)
        test, said = outcome_of(host)
    assert names(test)[-1] == ("host key", False)
    assert "another key than the confirmed" in said
    now = Host.objects.get()
    assert (now.state, now.host_key, now.host_key_offered) == (State.ALARM, KEY, server.line)


def test_a_test_of_what_the_host_was_says_so(new_host: NewHost) -> None:
    host = new_host(kind="test", address="", enabled=False, state=State.NEW)
    job = actions.test(host, Actor())
    actions.edit(host, actions.Draft("renamed", endpoint_of(host)), Actor())
    with pytest.raises(VirtError, match="was changed after this test"):
        operations.test(Work(job))
    Host.objects.all().delete()
    with pytest.raises(VirtError, match="was removed"):
        operations.test(Work(job))


def test_the_page_shows_each_step_as_it_is_done(new_host: NewHost, as_admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    host = new_host(kind="socket", address="", path="/nonexistent/x", enabled=False, state=State.NEW)
    job = actions.test(host, Actor())
    Job.objects.update(state=JobState.RUNNING)
    seen: list[str] = []

    def look(*_: Any, **__: Any) -> None:
        seen.append(as_admin.get(f"/hosts/{host.pk}/test/", headers={"WV-Fragment": "connection"}).content.decode())

    monkeypatch.setattr(facts, "publish", look)
    look()
    with pytest.raises(VirtError):
        operations.test(Work(job))
    assert "looking …" in seen[0]
    assert "is not there" in seen[1]
    assert "running" in seen[1]


def test_only_the_last_tests_are_kept(new_host: NewHost) -> None:
    host = new_host(kind="test", address="")
    for _ in range(13):
        outcome_of(host)
    assert HostTest.objects.count() == 10


def test_command_line_tests_by_itself(new_host: NewHost, capsys: pytest.CaptureFixture[str]) -> None:
    from django.core.management import call_command

    new_host("well", kind="test", address="")
    new_host("ill", kind="socket", address="", path="/nonexistent/x")
    call_command("hosts", "test", "well")
    assert "ok    version: libvirt" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ending:
        call_command("hosts", "test", "ill")
    assert ending.value.code == 1
    assert "FAIL  libvirt socket" in capsys.readouterr().out


def test_trust_on_first_use(tmp_path: Path) -> None:
    from django.core.management import call_command

    with ssh_server() as server:
        call_command("hosts", "add", "kvm-1", f"qemu+ssh://127.0.0.1:{server.port}/system", "--trust-on-first-use")
    host = Host.objects.get()
    assert (host.host_key, host.enabled) == (server.line, True)
