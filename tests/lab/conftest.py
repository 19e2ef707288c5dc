"""Every lab test starts with whole hosts, every module with empty ones, and the stack of this folder follows all three."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.stack import Stack
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def repaired(lab: Lab) -> Iterator[None]:
    """Undo what the test did to the hosts, whether it passed or not."""
    yield
    lab.repair()


@pytest.fixture(autouse=True, scope="module")
def swept(lab: Lab) -> Iterator[None]:
    """Remove the module's machines."""
    yield
    lab.sweep()


@pytest.fixture(scope="session")
def stack(lab: Lab) -> Iterator[Stack]:
    """A stack that follows h1, h2 and h3 by their sockets."""
    stack = Stack.start()
    stack.add_hosts({host.name: host.uri for host in lab.hosts})
    yield stack
    stack.stop()


@pytest.fixture
def online(stack: Stack, lab: Lab) -> None:
    """All three hosts are followed now: the test before may have broken one."""
    wait_until("all hosts are online", lambda: {stack.host(host.name)["state"] for host in lab.hosts} == {"online"}, seconds=30, every=0.3)
