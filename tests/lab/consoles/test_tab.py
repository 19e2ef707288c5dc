"""The console's tab in a real browser, against real QEMU on a host reached by SSH."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import kit
from tests.lab.guests import Image, Recipe
from tests.lab.lab import Guest, Lab
from tests.stack import Stack
from tests.waiting import wait_until

OPEN = "() => document.querySelector('wv-console').dataset.state === 'open'"
# Whether anything but black is drawn.
DRAWN = """() => { const canvas = document.querySelector('wv-console canvas');
  if (!canvas || !canvas.width) return false;
  const shown = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return shown.some((value, at) => at % 4 < 3 && value > 90); }"""


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    stack = Stack.start()
    far = lab["h2"].ssh_endpoint
    stack.add_host("h2", f"qemu+ssh://{far.user}@{far.host}:{far.port}/system", "--key-file", str(far.private_key), "--host-key", far.host_key)
    wait_until("it is followed", lambda: stack.host("h2")["state"] == "online", seconds=60)
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def linux(lab: Lab, stack: Stack, tiny_guest: Image) -> Guest:
    guest = lab["h2"].define(Recipe("tab-linux", image=tiny_guest), start=True)
    wait_until("it is known", lambda: stack.machine("tab-linux") and stack.machine("tab-linux")["state"] == "running", seconds=60)
    return guest


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = kit.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def state(browser: Browser, stack: Stack) -> Any:
    return kit.sign_in(browser, stack, stack.administrator)


def _look(tab: kit.Tab, name: str) -> None:
    """For who wants to see: CONSOLE_PICTURES names a folder."""
    if folder := os.environ.get("CONSOLE_PICTURES"):
        tab.page.screenshot(path=Path(folder) / f"{name}.png")


def test_picture_keys_serial_and_coming_back(browser: Browser, stack: Stack, state: Any, linux: Guest) -> None:
    tab = kit.Tab(browser, stack, state)
    tab.tolerate(r"WebSocket|Failed to load resource|409")
    page = tab.open(f"/consoles/{stack.machine('tab-linux')['id']}/")
    page.wait_for_function(OPEN, timeout=60_000)
    page.wait_for_function(DRAWN, timeout=60_000)
    _look(tab, "vnc")
    assert tab.violations() == []
    with tab.without_reload():
        page.click("[data-kind=serial]")
        page.wait_for_function(OPEN, timeout=60_000)
        page.wait_for_selector(".xterm-rows")
        page.keyboard.type("rm -f /tmp/typed; echo $((40+2))\n")
        page.wait_for_function("() => document.querySelector('.xterm-rows')?.textContent.includes('42')", timeout=60_000)
        _look(tab, "serial")

        page.click("[data-kind=vnc]")
        page.wait_for_function(DRAWN, timeout=60_000)
        page.click("[data-type]")
        page.fill("wv-console-type textarea:not([readonly])", "echo typed > /tmp/typed\n")
        _look(tab, "type")
        page.click("wv-console-type [data-go]")
        page.wait_for_selector("wv-console-type dialog", state="hidden", timeout=60_000)
        page.click("[data-kind=serial]")
        page.wait_for_function(OPEN, timeout=60_000)
        page.keyboard.type("cat /tmp/typed | sed s/^/got-/\n")
        page.wait_for_function("() => document.querySelector('.xterm-rows')?.textContent.includes('got-typed')", timeout=60_000)

        page.click("[data-kind=vnc]")
        page.wait_for_function(DRAWN, timeout=60_000)
        linux.host.virsh("destroy", linux.uuid)
        page.wait_for_selector("[data-start]:visible", timeout=60_000)
        _look(tab, "off")
        page.click("[data-start] button")
        page.wait_for_function(OPEN, timeout=120_000)
        page.wait_for_function(DRAWN, timeout=60_000)
        stack.kill("consolebridge")
        page.wait_for_function("() => document.querySelector('wv-console').dataset.state !== 'open'", timeout=60_000)
        page.wait_for_function(OPEN, timeout=120_000)
    tab.close()


def test_on_a_phone_and_on_the_wall(browser: Browser, stack: Stack, state: Any, linux: Guest) -> None:
    tab = kit.Tab(browser, stack, state, viewport=kit.PHONE, color_scheme="dark")
    page = tab.open(f"/consoles/{stack.machine('tab-linux')['id']}/")
    page.wait_for_function(DRAWN, timeout=60_000)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    _look(tab, "phone")
    assert tab.violations() == []
    page = tab.open("/consoles/wall/?running=1")
    page.wait_for_selector(".wv-wall wv-screen img", timeout=60_000)
    _look(tab, "wall")
    assert tab.violations() == []
    tab.close()
