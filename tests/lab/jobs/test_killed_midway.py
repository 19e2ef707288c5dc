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
    stack = Stack.start()
    for host in (lab["h1"], lab["h2"]):
        host.slow_starts(START_SECONDS)
    stack.add_hosts({name: lab[name].uri for name in ("h1", "h2")})
    for name in ("h1", "h2"):
        wait_until(f"{name} is online", lambda name=name: stack.host(name)["state"] == "online", seconds=30)  # type: ignore[misc]
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


def test_workers_killed_midway(stack: Stack, lab: Lab, tab: Tab) -> None:
    """Of one job the host has begun, of the other it has not heard yet: its libvirtd is frozen."""
    begun = _define(stack, lab["h1"], "slow-worker")
    unheard = _define(stack, lab["h2"], "slow-unheard")
    lab["h2"].freeze()
    job_unheard = stack.power(unheard.name, "start")
    job_begun = stack.power(begun.name, "start")
    wait_until("a worker has it", lambda: stack.job(job_unheard)["state"] == "running")
    _wait_until_midway(begun)
    stack.kill("quick")
    lab["h2"].thaw()

    page = tab.open(f"/jobs/{job_begun}/")
    assert stack.wait_job(job_begun, seconds=SETTLED_SECONDS)["state"] == "done"
    expect(page.get_by_text("Its worker died. The host shows it done.")).to_be_visible()
    _started_once(stack, begun)

    # Either libvirtd found the call in its socket when it woke, or not: what the job says must be what is.
    ended = stack.wait_job(job_unheard, seconds=SETTLED_SECONDS)["state"]
    assert ended == ("done" if unheard.state == "running" else "interrupted")
    assert unheard.host.starts(unheard.name).count("started") == (ended == "done")


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
