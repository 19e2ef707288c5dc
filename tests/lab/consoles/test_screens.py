"""Screens of real QEMU through the whole chain: page, ticket, web process, bridge, host, display."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import consoles
from tests.lab.guests import Recipe
from tests.lab.lab import Guest, Lab
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("online")


@pytest.fixture(scope="module")
def guest(lab: Lab, stack: Stack) -> Iterator[Guest]:
    """Firmware alone: it draws at once."""
    guest = lab["h1"].define(Recipe("firmware"), start=True)
    wait_until("it is known", lambda: stack.machine("firmware")["state"] == "running")
    yield guest


def test_a_screen_on_a_socket_of_this_machine(stack: Stack, guest: Guest) -> None:
    machine = stack.machine("firmware")
    asked = consoles.ask(stack.web, machine["id"], kind="vnc")
    assert asked["status"] == 201, asked
    with consoles.Socket(consoles.Door.of(stack.web), asked["tickets"][0]) as console:
        screen = consoles.greet(console)
        assert "firmware" in screen.name
        picture = consoles.pixels(console, screen)
        assert len(set(picture)) > 1, "something is drawn"
        (row,) = stack.rows("SELECT * FROM consoles_consolesession WHERE closed_at IS NULL")
        assert (row["person"], row["kind"], row["view_only"]) == ("administrator", "vnc", 0)
        guest.host.virsh("destroy", guest.uuid)
        assert console.farewell().code == 4409
    wait_until("its row is closed", lambda: not stack.rows("SELECT 1 FROM consoles_consolesession WHERE closed_at IS NULL"))
