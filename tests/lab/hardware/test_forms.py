"""Every kind of device is added by its own form in a browser, on a real host; the boot order is dragged; one is removed by its dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.kit import Tab
from tests.lab.guests import Recipe
from tests.lab.hardware.test_kinds import MISSING, NEEDS
from tests.lab.lab import Guest, Lab
from tests.stack import Stack
from tests.waiting import wait_until
from virt.xml.devices import KINDS

pytestmark = pytest.mark.usefixtures("online")

ADDABLE = [name for name, kind in KINDS.items() if kind.addable and kind.is_device]


@pytest.fixture(scope="module")
def guest(lab: Lab) -> Guest:
    return lab["h2"].define(Recipe("of-forms"))


@pytest.fixture
def number(stack: Stack, guest: Guest) -> int:
    wait_until("it is known", lambda: stack.machine(guest.name), seconds=60)
    return int(stack.machine(guest.name)["id"])


@pytest.mark.parametrize("kinds", [ADDABLE[start::3] for start in range(3)], ids=" ".join)
def test_added_by_its_form(kinds: list[str], stack: Stack, guest: Guest, number: int, new_tab: Callable[..., Tab]) -> None:
    tab = new_tab()
    tab.tolerate("400")  # a form that is looked at while half of it is typed
    there = [name for name in kinds if name not in MISSING]
    for name in there:
        before = _kinds(stack, number).count(name)  # others bring a controller along
        page = tab.open(f"/machines/{number}/hardware/add/{name}/")
        assert tab.violations() == [], name
        _fill(page, NEEDS.get(name, {}))
        page.get_by_role("button", name="Show changes").click()
        with tab.without_reload():
            page.get_by_role("button", name="Apply 1 change").click()
            wait_until(f"{name} is there", lambda name=name, before=before: _kinds(stack, number).count(name) == before + 1, seconds=30)  # type: ignore[misc]
        page.wait_for_url(lambda url, name=name: f"/hardware/{name}/" in url and "/add/" not in url, timeout=20_000)  # type: ignore[misc]
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    wait_until("it is removed", lambda: _kinds(stack, number).count(there[-1]) == before, seconds=30)
    stored = guest.host.virsh("dumpxml", guest.uuid, "--inactive")
    assert all(f"<{name}" in stored for name in there[:-1] if name in ("filesystem", "watchdog", "panic", "vsock", "rng", "sound", "tpm"))


def test_the_boot_order_is_dragged(stack: Stack, number: int, tab: Tab) -> None:
    """The last entry, ticked and dragged above the first, is what it boots from."""
    page = tab.open(f"/machines/{number}/hardware/boot/0/")
    order = page.locator("wv-order li")
    last = order.last
    name = str(last.get_attribute("data-name"))
    last.locator("input").check()
    expect(page.locator("#proposal ins").first).to_be_visible()  # the form has come back, and stays as it is now
    last.hover(position={"x": 80, "y": 12})
    page.mouse.down()
    for down in (8, 3):  # a browser tells what is dragged over from the second move on
        order.first.hover(position={"x": 80, "y": down})
    page.mouse.up()
    expect(order.first).to_have_attribute("data-name", name)
    expect(page.locator("#proposal ins").filter(has_text='<boot order="1"/>')).to_be_visible()
    page.get_by_role("button", name="Apply 1 change").click()

    def first() -> str:
        devices = stack.api.get(f"machines/{number}/hardware")["devices"]
        return str(next(each for each in devices if each["kind"] == "boot")["values"]["order"]).split("\n")[0]

    wait_until("it is saved", lambda: first() == name, seconds=20)


def _fill(page: Page, values: dict[str, str]) -> None:
    page.evaluate("() => document.querySelectorAll('#device-form details').forEach((each) => { each.open = true; })")
    for name, value in values.items():
        field = page.locator(f"#device-form [name={name}]")
        kind: Any = field.evaluate("field => field.type")
        if kind == "checkbox":
            field.check()
        elif kind.startswith("select"):
            field.select_option(value)
        else:
            field.fill(value)


def _kinds(stack: Stack, number: int) -> list[str]:
    return [str(each["kind"]) for each in stack.api.get(f"machines/{number}/hardware")["devices"]]
