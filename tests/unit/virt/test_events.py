"""What happens on a host reaches the one who asked, and nothing that goes wrong in it gets back into libvirt."""

from __future__ import annotations

import logging

import libvirt
import pytest

from virt import events, machine
from virt.errors import Conflict, HostUnreachable
from virt.events import Event
from virt.machine import State
from virt.testing import FakeHost


def test_life_of_a_machine() -> None:
    host, heard = FakeHost(), list[Event]()
    uuid = host.add("web1")
    connection = host.connect()
    events.subscribe(connection, heard.append)
    machine.start(connection, uuid)
    machine.save(connection, uuid)
    assert [(each.kind, each.uuid, each.name, each.event, each.detail) for each in heard] == [
        ("domain", uuid, "web1", "started", "booted"),
        ("domain", uuid, "web1", "stopped", "saved"),
    ]
    assert heard[0].at.tzinfo is not None


def test_words_of_a_newer_libvirt() -> None:
    host, heard = FakeHost(), list[Event]()
    uuid = host.add("web1")
    events.subscribe(host.connect(), heard.append)
    host.happen(host.machines[uuid], libvirt.VIR_DOMAIN_EVENT_STARTED, 99)
    host.happen(host.machines[uuid], 99, 0)
    assert [(each.event, each.detail) for each in heard] == [("started", ""), ("99", "")]


@pytest.mark.parametrize(
    ("reason", "word"),
    [(libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE, "keepalive"), (libvirt.VIR_CONNECT_CLOSE_REASON_EOF, "closed by the host"), (99, "99")],
)
def test_link_that_breaks(reason: int, word: str) -> None:
    host, heard = FakeHost(), list[Event]()
    connection = host.connect()
    subscription = events.subscribe(connection, heard.append)
    host.break_link(reason)
    assert [(each.kind, each.event, each.detail) for each in heard] == [("connection-closed", "closed", word)]
    assert not connection.is_alive()
    subscription.close()


def test_ends_when_closed() -> None:
    host, heard = FakeHost(), list[Event]()
    uuid = host.add("web1")
    connection = host.connect()
    subscription = events.subscribe(connection, heard.append)
    subscription.close()
    machine.start(connection, uuid)
    host.break_link()
    assert heard == []


def test_once_per_connection() -> None:
    host = FakeHost()
    connection = host.connect()
    first = events.subscribe(connection, print)
    with pytest.raises(Conflict):
        events.subscribe(connection, print)
    first.close()
    events.subscribe(connection, print)


def test_refused_halfway_leaves_nothing_behind() -> None:
    host, heard = FakeHost(), list[Event]()
    uuid = host.add("web1")
    connection = host.connect()
    for _ in range(4):
        host.fail("domainEventRegisterAny", libvirt.VIR_ERR_NO_SUPPORT, "this function is not supported")
    host.fail("domainEventRegisterAny", libvirt.VIR_ERR_INTERNAL_ERROR, "internal error: client socket is closed", domain=libvirt.VIR_FROM_RPC)
    with pytest.raises(HostUnreachable):
        events.subscribe(connection, heard.append)
    machine.start(connection, uuid)
    assert heard == []
    events.subscribe(connection, heard.append)
    machine.force_off(connection, uuid)
    assert [each.detail for each in heard] == ["destroyed"]


def test_sink_that_stumbles_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    host, heard = FakeHost(), list[Event]()
    uuid = host.add("web1", State.RUNNING)
    connection = host.connect()

    def sink(event: Event) -> None:
        if event.event == "paused":
            raise ValueError("full")
        heard.append(event)

    events.subscribe(connection, sink)
    with caplog.at_level(logging.ERROR, "virt.events"):
        machine.pause(connection, uuid)
    machine.resume(connection, uuid)
    assert "an event was lost: domain web1 paused" in caplog.text
    assert [each.event for each in heard] == ["resumed"]


@pytest.mark.parametrize(
    ("word", "prefix"),
    [("defined", "DEFINED"), ("undefined", "UNDEFINED"), ("started", "STARTED"), ("paused", "SUSPENDED"), ("resumed", "RESUMED"), ("stopped", "STOPPED")],
)
def test_as_many_words_as_libvirt_has(word: str, prefix: str) -> None:
    known = [value for name, value in vars(libvirt).items() if name.startswith(f"VIR_DOMAIN_EVENT_{prefix}_") and isinstance(value, int)]
    assert len(events._DETAILS[word]) > max(known)
