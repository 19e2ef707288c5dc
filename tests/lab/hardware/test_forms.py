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


@pytest.fixture
def guest(lab: Lab, stack: Stack) -> Guest:
    guest = lab["h2"].define(Recipe("of-forms"))
    wait_until("it is known", lambda: stack.machine("of-forms"), seconds=30)
    return guest


def test_every_kind_by_its_form(stack: Stack, guest: Guest, new_tab: Callable[..., Tab]) -> None:
    tab, number = new_tab(), int(stack.machine("of-forms")["id"])
    before = _kinds(stack, number)
    for name in ADDABLE:
        if name in MISSING:
            continue
        page = tab.open(f"/machines/{number}/hardware/add/{name}/")
        assert tab.violations() == [], name
        _fill(page, NEEDS.get(name, {}))
        page.get_by_role("button", name="Show changes").click()
        with tab.without_reload():
            page.get_by_role("button", name="Apply 1 change").click()
            wait_until(f"{name} is there", lambda name=name: _kinds(stack, number).count(name) == before.count(name) + 1, seconds=30)  # type: ignore[misc]
        page.wait_for_url(lambda url, name=name: f"/hardware/{name}/" in url and "/add/" not in url, timeout=20_000)  # type: ignore[misc]
    stored = guest.host.virsh("dumpxml", guest.uuid, "--inactive")
    assert all(f"<{tag}" in stored for tag in ("filesystem", "watchdog", "panic", "vsock", "rng", "sound"))
    assert ("<tpm" in stored) == ("tpm" not in MISSING)

    page.get_by_role("link", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    wait_until("it is removed", lambda: _kinds(stack, number).count(ADDABLE[-1]) == before.count(ADDABLE[-1]), seconds=30)
    _drag(stack, tab, number)


def _drag(stack: Stack, tab: Tab, number: int) -> None:
    """The last entry of the boot order, ticked and dragged above the first, is what it boots from."""
    page = tab.open(f"/machines/{number}/hardware/boot/0/")
    order = page.locator("wv-order li")
    last = order.last
    name = str(last.get_attribute("data-name"))
    last.locator("input").check()
    last.drag_to(order.first, source_position={"x": 80, "y": 12}, target_position={"x": 80, "y": 3})
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
