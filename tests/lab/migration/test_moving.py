"""Machines moved between real hosts while they write: one machine afterwards, on one host, with all that belongs to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.guests import Image
from tests.lab.lab import Lab
from tests.lab.migration.moving import Moving, set_ways
from tests.stack import Stack
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def moving(lab: Lab) -> Iterator[Stack]:
    stack = Stack.start()
    stack.add_hosts({host.name: host.uri for host in lab.hosts})
    wait_until("all hosts are online", lambda: all(stack.host(host.name)["state"] == "online" for host in lab.hosts), seconds=30)
    set_ways(stack)
    yield stack
    stack.stop()


def test_a_running_machine_takes_its_row_along(moving: Stack, lab: Lab, tiny_guest: Image) -> None:
    it = Moving.make(moving, lab["h1"], "wanderer", tiny_guest, words="dirty")
    it.write("one")
    it.remember_in_memory("still here")
    there = it.move("h2")
    assert (there.word, there.in_memory) == ("one", "still here")
    assert moving.machine("wanderer")["state"] == "running"
    assert there.history()[-1] == "Moved from h1 to h2", there.history()
    assert not {"Removed from the host", "Left by migration"} & set(there.history())
    # Back, by somebody else's hand.
    lab["h2"].run("virsh", "-q", "migrate", "--live", "--p2p", "--persistent", "--undefinesource", "--unsafe", there.guest.uuid, "qemu+tcp://h1/system")
    it.is_only_on("h1", it.number)
    assert it.word == "one"
    assert there.history()[-1] == "Moved from h2 to h1", there.history()


def test_a_machine_that_is_off_moves_as_it_is(moving: Stack, lab: Lab) -> None:
    it = Moving.make(moving, lab["h1"], "sleeper", None, start=False)
    lab["h1"].virsh("autostart", it.guest.uuid)
    it.move("h3")
    assert moving.machine("sleeper")["state"] == "off"
    wait_until("it starts with its host as before", lambda: moving.machine("sleeper")["autostart"] == 1, seconds=30)
