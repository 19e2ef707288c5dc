"""The link for calls that may wait is opened anew when it broke, also while the first one stands."""

from __future__ import annotations

from typing import cast

import libvirt

from virt import events
from virt.connection import Connection
from virt.errors import HostUnreachable
from virt.testing import FakeHost
from virt.uri import Endpoint


def test_a_second_link_that_broke_is_replaced() -> None:
    host = FakeHost()
    seconds: list[libvirt.virConnect] = []

    def again() -> libvirt.virConnect:
        seconds.append(host.connect().raw)
        return seconds[-1]

    connection = Connection(Endpoint("tcp", host="kvm-1"), host.connect().raw, again=again)
    assert connection.aside is connection.raw  # used by one thread alone
    events.subscribe(connection, print)
    if libvirt.getVersion() >= 10_000_000:
        assert connection.aside is connection.raw  # needs no second one
        return
    first = connection.aside
    assert connection.aside is first
    cast(object, first).__dict__["_alive"] = False
    assert connection.aside is seconds[1]
    assert connection.is_alive()


def test_no_second_link_to_be_had() -> None:
    host = FakeHost()

    def again() -> libvirt.virConnect:
        raise HostUnreachable("The host takes no more connections.")

    connection = Connection(Endpoint("tcp", host="kvm-1"), host.connect().raw, again=again)
    events.subscribe(connection, print)
    assert connection.aside is connection.raw


def test_closed_with_the_first() -> None:
    host = FakeHost()
    connection = Connection(Endpoint("tcp", host="kvm-1"), host.connect().raw, again=lambda: host.connect().raw)
    events.subscribe(connection, print)
    second = connection.aside
    connection.close()
    assert not second.isAlive()
