"""A host that dies, freezes or falls silent costs nobody anything but itself, shows as last seen, and comes back by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.kit import Tab
from tests.lab.guests import Recipe
from tests.lab.lab import Guest, Host, Lab
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("online")

# keepalive (2, 2) notices in 6 s; the rest is the machine's slowness
NOTICED_SECONDS = 15.0
BACK_SECONDS = 30.0


@pytest.fixture(scope="module")
def machines(lab: Lab, stack: Stack) -> dict[str, Guest]:
    """A running machine without a guest on each host."""
    guests = {host.name: host.define(Recipe(f"on-{host.name}"), start=True) for host in lab.hosts}
    for guest in guests.values():
        wait_until(f"{guest.name} is known", lambda guest=guest: stack.machine(guest.name)["state"] == "running")  # type: ignore[misc]
    return guests


@pytest.mark.parametrize(
    ("befall", "recover"),
    [
        pytest.param(Host.kill_libvirtd, Host.start_libvirtd, id="libvirtd killed"),
        pytest.param(Host.freeze, Host.thaw, id="libvirtd frozen"),
    ],
)
def test_libvirtd_lost(befall: Callable[[Host], None], recover: Callable[[Host], None], tab: Tab, stack: Stack, lab: Lab, machines: dict[str, Guest]) -> None:
    page = tab.open("/machines/")
    rows = {name: page.locator("tr").filter(has_text=guest.name) for name, guest in machines.items()}
    with tab.without_reload():
        befall(lab["h2"])
        expect(rows["h2"]).to_contain_class("is-stale", timeout=NOTICED_SECONDS * 1000)
        expect(rows["h1"]).not_to_contain_class("is-stale")
        _others_go_on(stack, lab, rows)
        _pages_stay_quick(stack)

        recover(lab["h2"])
        expect(rows["h2"]).not_to_contain_class("is-stale", timeout=BACK_SECONDS * 1000)
        expect(rows["h2"]).to_have_attribute("data-state", "running")
    assert machines["h2"].state == "running"


def test_changes_made_meanwhile_are_seen_afterwards(tab: Tab, lab: Lab, machines: dict[str, Guest]) -> None:
    host = lab["h2"]
    row = tab.open("/machines/").locator("tr").filter(has_text="on-h2")
    host.freeze()
    expect(row).to_contain_class("is-stale", timeout=NOTICED_SECONDS * 1000)
    host.run("pkill", "-9", "qemu-system")
    host.thaw()
    expect(row).to_have_attribute("data-state", "off", timeout=BACK_SECONDS * 1000)
    host.virsh("start", machines["h2"].uuid)
    expect(row).to_have_attribute("data-state", "running")


def test_power_cut(tab: Tab, stack: Stack, lab: Lab, machines: dict[str, Guest]) -> None:
    page = tab.open("/machines/")
    rows = {name: page.locator("tr").filter(has_text=guest.name) for name, guest in machines.items()}
    with tab.without_reload():
        lab["h3"].power_cut()
        expect(rows["h3"]).to_contain_class("is-stale", timeout=NOTICED_SECONDS * 1000)
        _others_go_on(stack, lab, rows)
        lab["h3"].start()
        expect(rows["h3"]).to_have_attribute("data-state", "off", timeout=BACK_SECONDS * 1000)
        expect(rows["h3"]).not_to_contain_class("is-stale")


def _others_go_on(stack: Stack, lab: Lab, rows: dict[str, object]) -> None:
    """A change on a healthy host is seen, and a job there runs, while the other is away."""
    lab["h1"].virsh("suspend", "on-h1")
    expect(rows["h1"]).to_have_attribute("data-state", "paused")  # type: ignore[arg-type]
    stack.power("on-h1", "resume")
    expect(rows["h1"]).to_have_attribute("data-state", "running")  # type: ignore[arg-type]


def _pages_stay_quick(stack: Stack) -> None:
    for path in ("/", "/machines/", "/hosts/", f"/hosts/{stack.host('h2')['id']}/", f"/machines/{stack.machine('on-h2')['id']}/"):
        reply = stack.web.get(path)
        assert reply.status == 200
        assert reply.seconds < 1.0, path
