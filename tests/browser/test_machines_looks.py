"""How the machines' pages look: clean for axe, by day and by night, on a desk and in a hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.kit import DESKTOP, PHONE, Tab
from tests.lab.fleet import Fleet
from tests.stack import Stack
from tests.waiting import wait_until

LOOKS: dict[str, dict[str, Any]] = {
    "day": {"viewport": DESKTOP, "color_scheme": "light"},
    "night": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True},
}


@pytest.fixture(scope="module")
def machine(stack: Stack, fleet: Callable[[int], Fleet]) -> Iterator[dict[str, Any]]:
    """One of a few that run, with notes and a refused job."""
    few = fleet(1)
    few.populate(8, running=5)
    stack.add_hosts({host.name: host.uri for host in few.hosts})
    wait_until("all machines are known", lambda: stack.machine("thost1-m007"), seconds=30, every=0.2)
    found = stack.machine("thost1-m001")
    stack.wait_job(stack.power("thost1-m007", "start"))
    notes = r"**Primary** of the orders cluster.\n\n- Replica: [db-3](https://wiki.example)\n- `patronictl switchover` first"
    stack.manage("shell", "-c", f"from machines.models import Machine; Machine.objects.filter(pk={found['id']}).update(notes='{notes}')")
    yield found
    stack.manage("shell", "-c", "from hosts.models import Host; Host.objects.filter(name__startswith='thost').delete()")


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_and_nothing_sticks_out(new_tab: Callable[..., Tab], machine: dict[str, Any], look: str) -> None:
    tab = new_tab(**LOOKS[look])
    found: list[str] = []
    for path in (
        "/",
        "/machines/",
        "/machines/?f=state:running&f=cpu%3Emuch&q=zzz",
        _of(machine),
        _of(machine, "history/"),
        _of(machine, "power/"),
        "/search/?q=thost",
    ):
        tab.open(path)
        found += [f"{path}: {violation}" for violation in tab.violations()]
        found += [f"{path}: {name} sticks out" for name in _sticking_out(tab.page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("look", LOOKS)
def test_dialogs_menus_and_the_bulk_bar_are_clean_too(new_tab: Callable[..., Tab], machine: dict[str, Any], look: str) -> None:
    tab = new_tab(**LOOKS[look])
    page = tab.open("/machines/")
    found: list[str] = []

    def look_at(what: str) -> None:
        found.extend(f"{what}: {violation}" for violation in tab.violations())
        found.extend(f"{what}: {name} sticks out" for name in _sticking_out(page))

    page.locator("tbody .c-sel input").first.check()
    expect(page.get_by_role("toolbar")).to_be_visible()
    look_at("bulk bar")
    page.get_by_role("toolbar").get_by_role("button", name="Reboot").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 of 1 ended", timeout=30_000)
    look_at("results")
    tab.open(_of(machine))
    page.get_by_role("button", name="More power actions").click()
    look_at("power menu")
    page.get_by_role("menuitem", name="Reset…").click()
    expect(page.get_by_role("dialog")).to_contain_text("is lost")
    look_at("question")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_role("textbox", name="Notes")).to_be_focused()
    look_at("notes")


def test_focus_is_seen_wherever_it_goes(tab: Tab, machine: dict[str, Any]) -> None:
    page = tab.open(_of(machine))
    for _ in range(60):
        page.keyboard.press("Tab")
        state = page.evaluate(
            """() => { const on = document.activeElement, style = getComputedStyle(on);
                return [on.tagName, on.className, style.outlineStyle !== 'none' || style.boxShadow !== 'none', on.checkVisibility({opacityProperty: true})] }"""
        )
        assert state[0] == "BODY" or state[2], f"no focus is seen on {state}"


def _of(machine: dict[str, Any], path: str = "") -> str:
    return f"/machines/{machine['id']}/{path}"


def _sticking_out(page: Page) -> list[str]:
    """Elements wider than the window that nobody can scroll to on purpose."""
    return list(
        page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? [] :
                [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
                    .slice(0, 5).map(e => e.tagName + '.' + e.className)"""
        )
    )
