"""What a person presses on a machine's page happens to the guest, and the page shows it without being loaded again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.kit import Tab
from tests.lab.guests import Image, Recipe
from tests.lab.lab import Guest, Lab
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("online")


@pytest.fixture(scope="module")
def guest(lab: Lab, tiny_guest: Image) -> Guest:
    return lab["h1"].define(Recipe("pressed", image=tiny_guest))


@pytest.fixture
def page(tab: Tab, stack: Stack, guest: Guest) -> Page:
    """The guest's page."""
    wait_until(f"{guest.name} is known", lambda: stack.machine(guest.name))
    return tab.open(f"/machines/{stack.machine(guest.name)['id']}/")


def test_start_pause_resume_and_gentle_shutdown(tab: Tab, page: Page, guest: Guest) -> None:
    with tab.without_reload():
        _primary(page, "Start").click()
        _shown(page, "Running")
        guest.wait_for_agent()

        _from_menu(page, "Pause").click()
        _shown(page, "Paused")
        assert guest.state == "paused"
        _primary(page, "Resume").click()
        _shown(page, "Running")

        _primary(page, "Shut down").click()
        _shown(page, "Off", seconds=30)
    assert guest.state == "shut off"
    assert guest.host.virsh("domstate", guest.uuid, "--reason").endswith("(shutdown)")


def test_guest_that_is_powered_off_from_inside(tab: Tab, page: Page, guest: Guest) -> None:
    with tab.without_reload():
        guest.host.virsh("start", guest.uuid)
        _shown(page, "Running")
        guest.wait_for_agent()
        guest.host.virsh("shutdown", guest.uuid, "--mode", "agent")
        _shown(page, "Off", seconds=30)


def test_save_and_restore_keep_the_guest_running(tab: Tab, page: Page, guest: Guest) -> None:
    guest.host.virsh("start", guest.uuid)
    guest.wait_for_agent()
    with tab.without_reload():
        _shown(page, "Running")
        _from_menu(page, "Save state").click()
        _shown(page, "Saved", seconds=30)
        assert guest.state == "shut off"
        _primary(page, "Restore").click()
        _shown(page, "Running", seconds=30)
    # A guest that had booted anew would not answer so soon.
    guest.wait_for_agent(seconds=2)


def test_force_where_the_gentle_way_fails(tab: Tab, stack: Stack, lab: Lab, tiny_guest: Image) -> None:
    guest = lab["h1"].define(Recipe("deaf", image=tiny_guest, words="deaf", agent=False), start=True)
    wait_until(f"{guest.name} is known", lambda: stack.machine(guest.name))
    page = tab.open(f"/machines/{stack.machine(guest.name)['id']}/")
    with tab.without_reload():
        expect(_from_menu(page, "Force off")).to_contain_text("Shut it down first")
        page.keyboard.press("Escape")
        _primary(page, "Shut down").click()
        expect(page.locator(".wv-now")).to_contain_text("Waiting for the guest")

        _from_menu(page, "Force off").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("unsaved work in the guest is lost")
        assert guest.state == "running"
        dialog.get_by_role("button", name="Force off").click()
        _shown(page, "Off")
    assert guest.host.virsh("domstate", guest.uuid, "--reason").endswith("(destroyed)")


def test_autostart_is_set_on_the_host(tab: Tab, page: Page, guest: Guest) -> None:
    switch = page.get_by_role("switch", name="with its host")
    with tab.without_reload():
        expect(switch).not_to_be_checked()
        switch.click()
        expect(switch).to_be_checked()
        assert _autostart(guest) == "enable"
        switch.click()
        expect(switch).not_to_be_checked()
    assert _autostart(guest) == "disable"


def test_many_at_once_with_a_result_for_each(tab: Tab, stack: Stack, lab: Lab) -> None:
    guests = [lab[name].define(Recipe(f"many-{name}")) for name in ("h1", "h2", "h3")]
    lab["h2"].virsh("start", "many-h2")
    for guest in guests:
        wait_until(f"{guest.name} is known", lambda guest=guest: stack.machine(guest.name))  # type: ignore[misc]
    page = tab.open("/machines/?q=many-")
    expect(page.locator("tr[data-topic^='machine:']")).to_have_count(3)
    with tab.without_reload():
        for guest in guests:
            page.get_by_role("checkbox", name=f"Select {guest.name}").check()
        page.get_by_role("toolbar").get_by_role("button", name="Start").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("many-h2")
        expect(dialog).to_contain_text("It is on already.")
        for guest in guests:
            expect(page.locator("tr").filter(has_text=guest.name).first).to_have_attribute("data-state", "running")
    assert [guest.state for guest in guests] == ["running"] * 3


def _autostart(guest: Guest) -> str:
    lines = dict(line.split(":", 1) for line in guest.host.virsh("dominfo", guest.uuid).splitlines())
    return lines["Autostart"].strip()


def _shown(page: Page, word: str, *, seconds: float = 10.0) -> None:
    """The state beside the machine's name."""
    expect(page.locator("#machine-head .wv-otitle")).to_contain_text(word, timeout=seconds * 1000)


def _primary(page: Page, title: str) -> Locator:
    return page.locator("#power").get_by_role("button", name=title, exact=True)


def _from_menu(page: Page, title: str) -> Locator:
    page.get_by_role("button", name="More power actions").click()
    return page.locator("#power-menu").get_by_role("menuitem", name=re.compile(f"^{title}"))
