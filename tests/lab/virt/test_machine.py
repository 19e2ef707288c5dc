"""What the gateway does to a real guest, and what it reads from it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab.guests import Image, Recipe
from tests.lab.lab import Guest, Lab
from tests.waiting import wait_until
from virt import connection, machine, stats
from virt.connection import Connection
from virt.errors import NotFound, WrongState
from virt.machine import State
from virt.uri import Endpoint


@pytest.fixture(scope="module")
def conn(lab: Lab) -> Iterator[Connection]:
    conn = connection.open(Endpoint(kind="socket", path=str(lab["h1"].socket)))
    yield conn
    conn.close()


@pytest.fixture(scope="module")
def guest(lab: Lab, tiny_guest: Image) -> Guest:
    guest = lab["h1"].define(Recipe("gateway-guest", title="A guest", image=tiny_guest, words="dirty"), start=True)
    guest.wait_for_agent()
    return guest


def test_seen_as_it_is(conn: Connection, guest: Guest) -> None:
    seen = next(each for each in machine.list_all(conn) if each.uuid == guest.uuid)
    assert (seen.name, seen.state, seen.reason, seen.persistent, seen.autostart) == ("gateway-guest", State.RUNNING, "booted", True, False)
    assert seen.title == "A guest"
    assert seen.definition.has_agent_channel
    assert seen.definition.memory_bytes == 160 << 20
    assert [nic.source for nic in seen.definition.nics] == ["default"]
    assert seen == machine.read(conn, guest.uuid)


def test_guest_tells_addresses_and_system(conn: Connection, guest: Guest) -> None:
    wait_until("the agent tells the leased address", lambda: any(each.ip.startswith("192.168.122.") for each in machine.addresses(conn, guest.uuid)))
    told = machine.guest(conn, guest.uuid)
    assert told is not None
    assert (told.hostname, told.os_id) == ("tiny", "tiny")


def test_counters_of_a_busy_guest(conn: Connection, guest: Guest) -> None:
    before = _sample(conn, guest)
    time.sleep(1.5)
    rates = stats.rates(before, _sample(conn, guest))
    assert rates.cpu_percent is not None
    assert 1 < rates.cpu_percent <= 100
    assert rates.memory_bytes == 160 << 20
    assert rates.net_rx_bps is not None


def test_screenshot(conn: Connection, guest: Guest) -> None:
    mime, picture = machine.screenshot(conn, guest.uuid)
    assert mime == "image/png"
    assert picture.startswith(b"\x89PNG")


def test_pause_save_restore(conn: Connection, guest: Guest) -> None:
    machine.pause(conn, guest.uuid)
    assert machine.state(conn, guest.uuid) == State.PAUSED
    machine.resume(conn, guest.uuid)
    machine.save(conn, guest.uuid)
    seen = machine.read(conn, guest.uuid)
    assert seen is not None
    assert (seen.state, seen.has_saved_image) == (State.OFF, True)
    machine.restore(conn, guest.uuid)
    assert machine.state(conn, guest.uuid) == State.RUNNING
    assert "return" in guest.host.virsh("qemu-agent-command", guest.uuid, '{"execute":"guest-ping"}')
    with pytest.raises(WrongState):
        machine.restore(conn, guest.uuid)


def test_shut_down_by_asking(conn: Connection, guest: Guest) -> None:
    machine.shutdown(conn, guest.uuid)
    wait_until("the guest is off", lambda: machine.state(conn, guest.uuid) == State.OFF, seconds=20)
    seen = machine.read(conn, guest.uuid)
    assert seen is not None
    assert seen.reason == "shut-down"


def test_refusals(conn: Connection, guest: Guest) -> None:
    with pytest.raises(WrongState):
        machine.pause(conn, guest.uuid)
    with pytest.raises(NotFound):
        machine.start(conn, "00000000-0000-4000-8000-000000000000")


def _sample(conn: Connection, guest: Guest) -> stats.RawSample:
    return next(each for each in stats.sample(conn) if each.uuid == guest.uuid)
