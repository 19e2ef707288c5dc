"""Calls that hang: a second helper goes on, the link is closed only when nobody is inside it any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.waiting import wait_until
from virt.connection import Connection
from virt.errors import HostUnreachable, PermissionRefused
from virt.testing import FakeHost
from watcher.errands import Errands
from watcher.link import Link


@pytest.fixture
def helpers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def link() -> Link:
    return Link(FakeHost().connect())


def test_one_of_a_kind_at_a_time(helpers: ThreadPoolExecutor, link: Link) -> None:
    errands, gate = Errands(link, helpers, "h"), threading.Event()
    try:
        assert errands.send("sample", lambda connection: _wait(gate))
        assert not errands.send("sample", lambda connection: None)
        assert errands.send("info", lambda connection: None)
    finally:
        gate.set()
    wait_until("it may be sent again", lambda: errands.send("sample", lambda connection: None), seconds=2)


def test_one_that_hangs_is_gone_round_but_not_for_ever(helpers: ThreadPoolExecutor, link: Link, caplog: pytest.LogCaptureFixture) -> None:
    errands, gate, done = Errands(link, helpers, "h"), threading.Event(), threading.Event()
    try:
        errands.send("sample", lambda connection: _wait(gate))
        wait_until("it counts as stuck", lambda: errands.send("sample", lambda connection: _wait(gate), patience=0.05))
        assert not errands.send("sample", lambda connection: done.set(), patience=0.0), "two hang: no third"
    finally:
        gate.set()
    assert sum("has been waiting" in record.message for record in caplog.records) == 1


def test_what_a_host_refuses_each_time_is_said_once(helpers: ThreadPoolExecutor, link: Link, caplog: pytest.LogCaptureFixture) -> None:
    errands = Errands(link, helpers, "h")
    calls: list[int] = []

    def refuse(connection: Connection) -> None:
        calls.append(1)
        raise PermissionRefused("This login may not read statistics.")

    for times in (1, 2, 3):
        wait_until("it is sent", lambda: errands.send("sample", refuse), every=0.01)
        wait_until("it was refused", lambda: len(calls) == times, every=0.01)  # noqa: B023 - at once
    wait_until("all is said", lambda: errands.send("other", lambda connection: None))
    assert sum("may not read" in record.message for record in caplog.records) == 1


def test_a_link_is_closed_by_its_last_user() -> None:
    link = Link(FakeHost().connect())
    inside, gate = threading.Event(), threading.Event()

    def use() -> None:
        with link.use():
            inside.set()
            gate.wait(5)

    user = threading.Thread(target=use)
    user.start()
    inside.wait(5)
    link.retire()
    assert link.connection.is_alive(), "somebody is inside a call"
    with pytest.raises(HostUnreachable), link.use():
        pass
    gate.set()
    user.join(5)
    assert not link.connection.is_alive()


def _wait(gate: threading.Event) -> None:
    gate.wait(5)
