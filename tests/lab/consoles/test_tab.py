"""The console's tab in a real browser, against real QEMU on a host reached by SSH."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from tests.browser import kit
from tests.lab.guests import Image, Recipe, domain_xml
from tests.lab.lab import Guest, Lab
from tests.stack import Stack
from tests.waiting import wait_until

OPEN = "() => document.querySelector('wv-console').dataset.state === 'open'"
# What the browser says of sockets that are killed on purpose, and of reading pixels.
NOISE = r"WebSocket|Failed to load resource|Canvas2D"
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


def _says(page: Page, command: str, wanted: str) -> bool:
    """Type a command on the line; whether the guest's answer came within a few seconds."""
    page.keyboard.type(command + "\n")
    try:
        page.wait_for_function("wanted => document.querySelector('.xterm-rows')?.textContent.includes(wanted)", arg=wanted, timeout=4_000)
    except TimeoutError:
        return False
    return True


def test_picture_keys_serial_and_coming_back(browser: Browser, stack: Stack, state: Any, linux: Guest) -> None:
    tab = kit.Tab(browser, stack, state)
    tab.tolerate(NOISE)
    page = tab.open(f"/consoles/{stack.machine('tab-linux')['id']}/")
    page.wait_for_function(OPEN, timeout=60_000)
    page.wait_for_function(DRAWN, timeout=60_000)
    _look(tab, "vnc")
    assert tab.violations() == []
    with tab.without_reload():
        page.click("[data-kind=serial]")
        page.wait_for_function(OPEN, timeout=60_000)
        page.wait_for_selector(".xterm-rows")
        wait_until("the shell answers", lambda: _says(page, "rm -f /tmp/typed; echo $((40+2))", "42"), seconds=90)
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
        wait_until("the keys were typed", lambda: _says(page, "sed s/^/got-/ /tmp/typed", "got-typed"), seconds=60)

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
    tab.tolerate(NOISE)
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


def test_spice_is_drawn(browser: Browser, stack: Stack, state: Any, lab: Lab) -> None:
    root = etree.fromstring(domain_xml(Recipe("tab-spice")))
    graphics = root.find("devices/graphics")
    graphics.getparent().remove(graphics)
    etree.SubElement(root.find("devices"), "graphics", type="spice", autoport="yes", listen="127.0.0.1")
    with lab["h2"].connection() as connection:
        connection.defineXML(etree.tostring(root, encoding="unicode")).create()
    wait_until("it is known", lambda: stack.machine("tab-spice") and stack.machine("tab-spice")["state"] == "running", seconds=60)
    tab = kit.Tab(browser, stack, state)
    tab.tolerate(NOISE)
    page = tab.open(f"/consoles/{stack.machine('tab-spice')['id']}/")
    page.wait_for_function(DRAWN, timeout=60_000)
    _look(tab, "spice")
    tab.close()
