"""Whoever is killed in the middle of a job: it is not lost, not done twice, and what it says in the end is what is true on the host.

The host takes some seconds to start a machine whose name begins with "slow", so that "in the middle" can be hit, and it counts.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.kit import Tab
from tests.lab.guests import Recipe
from tests.lab.lab import Guest, Host, Lab
from tests.stack import Role, Stack
from tests.waiting import wait_until

START_SECONDS = 5.0
# A worker counts as dead after 30 s without a heartbeat; then a sweep asks the host.
SETTLED_SECONDS = 60.0


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """One of its own: its processes get killed here."""
    lab["h1"].slow_starts(START_SECONDS)
    stack = Stack.start()
    stack.add_hosts({"h1": lab["h1"].uri})
    wait_until("h1 is online", lambda: stack.host("h1")["state"] == "online", seconds=30)
    yield stack
    stack.stop()


@pytest.mark.parametrize("role", ["watcher", "redis", "web", "beat"])
def test_process_killed_midway(role: Role, stack: Stack, lab: Lab) -> None:
    guest = _define(stack, lab["h1"], f"slow-{role}")
    job = stack.power(guest.name, "start")
    _wait_until_midway(guest)
    stack.kill(role)
    stack.wait_ready()
    assert stack.wait_job(job, seconds=SETTLED_SECONDS)["state"] == "done"
    _started_once(stack, guest)


def test_worker_killed_midway(stack: Stack, lab: Lab, tab: Tab) -> None:
    guest = _define(stack, lab["h1"], "slow-worker")
    job = stack.power(guest.name, "start")
    _wait_until_midway(guest)
    stack.kill("quick")
    page = tab.open(f"/jobs/{job}/")
    assert stack.wait_job(job, seconds=SETTLED_SECONDS)["state"] == "done"
    expect(page.get_by_text("Its worker died")).to_be_visible()
    _started_once(stack, guest)


def test_worker_killed_before_the_host_heard_of_it(stack: Stack, lab: Lab) -> None:
    guest = _define(stack, lab["h1"], "slow-unheard")
    lab["h1"].freeze()
    job = stack.power(guest.name, "start")
    wait_until("a worker has it", lambda: stack.job(job)["state"] == "running")
    stack.kill("quick")
    lab["h1"].thaw()
    ended = stack.wait_job(job, seconds=SETTLED_SECONDS)
    # Either libvirtd found the call in its socket when it woke, or not: what the job says must be what is.
    assert (ended["state"] == "done") == (guest.state == "running")
    assert ended["state"] in ("done", "interrupted")
    assert guest.host.starts(guest.name).count("prepare") <= 1


def test_asked_for_while_the_broker_is_away(stack: Stack, lab: Lab) -> None:
    guest = _define(stack, lab["h1"], "slow-broker")
    stack.kill("redis")
    job = stack.power(guest.name, "start")
    assert stack.wait_job(job, seconds=SETTLED_SECONDS)["state"] == "done"
    _started_once(stack, guest)


def test_open_page_catches_up_after_the_web_process_died(stack: Stack, lab: Lab, tab: Tab) -> None:
    guest = _define(stack, lab["h1"], "caught-up")
    row = tab.open("/machines/").locator("tr").filter(has_text="caught-up")
    expect(row).to_have_attribute("data-state", "off")
    tab.tolerate(r"WebSocket|ERR_|Failed to load|Failed to fetch")
    with tab.without_reload():
        stack.kill("web")
        guest.host.virsh("start", guest.uuid)
        expect(row).to_have_attribute("data-state", "running", timeout=20_000)


def _define(stack: Stack, host: Host, name: str) -> Guest:
    guest = host.define(Recipe(name))
    wait_until(f"{name} is known", lambda: stack.machine(name)["state"] == "off")
    return guest


def _wait_until_midway(guest: Guest) -> None:
    wait_until("the host has begun", lambda: guest.host.starts(guest.name) == ["prepare"], every=0.02)


def _started_once(stack: Stack, guest: Guest) -> None:
    assert guest.state == "running"
    wait_until(f"{guest.name} is shown as running", lambda: stack.machine(guest.name)["state"] == "running", seconds=20)
    assert guest.host.starts(guest.name) == ["prepare", "started"]
