"""The link for calls that may wait is opened anew when it broke, also while the first one stands."""

from __future__ import annotations

from typing import cast

import libvirt

from virt.connection import Connection
from virt.testing import FakeHost
from virt.uri import Endpoint


def test_a_second_link_that_broke_is_replaced() -> None:
    host = FakeHost()
    seconds: list[libvirt.virConnect] = []

    def again() -> libvirt.virConnect:
        seconds.append(host.connect().raw)
        return seconds[-1]

    connection = Connection(Endpoint("tcp", host="kvm-1"), host.connect().raw, again=again)
    if libvirt.getVersion() >= 10_000_000:
        assert connection.aside is connection.raw  # needs no second one
        return
    first = connection.aside
    assert connection.aside is first
    cast(object, first).__dict__["_alive"] = False
    assert connection.aside is seconds[1]
    assert connection.is_alive()
