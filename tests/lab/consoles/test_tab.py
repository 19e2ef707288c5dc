"""The console's tab in a real browser, against real QEMU on a host reached by SSH."""

from __future__ import annotations

import base64
import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from tests.browser import kit
from tests.consoles import DRAWN
from tests.lab.guests import Image, Recipe, domain_xml
from tests.lab.lab import Guest, Lab
from tests.lab.migration.moving import Moving, set_ways
from tests.stack import Credentials, Stack
from tests.waiting import wait_until

OPEN = "() => document.querySelector('wv-console').dataset.state === 'open'"
# What the browser says of sockets that are killed on purpose, and of reading pixels.
NOISE = r"WebSocket|Failed to load resource|Canvas2D"


# VNC's encoding for JPEG of level 9.
BEST = struct.pack(">i", -32 + 9)
# The share of pixels that differ from a PNG.
DIFFERENCE = """async (png) => {
  const canvas = document.querySelector('wv-console canvas');
  const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0))]));
  if (!canvas || bitmap.width !== canvas.width || bitmap.height !== canvas.height) return 1;
  const pixels = (source) => { const copy = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d'); copy.drawImage(source, 0, 0);
    return new Uint32Array(copy.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer); };
  const shown = pixels(canvas), real = pixels(bitmap);
  return shown.filter((value, at) => value !== real[at]).length / shown.length; }"""


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """h2 by SSH, and h1 by its socket."""
    stack = Stack.start()
    stack.add_host("h1", lab["h1"].uri)
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


def _tab(browser: Browser, stack: Stack, state: Any, **options: Any) -> kit.Tab:
    tab = kit.Tab(browser, stack, state, **options)
    tab.tolerate(NOISE)
    return tab


def _look(tab: kit.Tab, name: str) -> None:
    """For who wants to see: CONSOLE_PICTURES names a folder."""
    if folder := os.environ.get("CONSOLE_PICTURES"):
        tab.page.screenshot(path=Path(folder) / f"{name}.png")


def _history(stack: Stack, name: str) -> list[str]:
    return [row["words"] for row in stack.rows("SELECT words FROM machines_event WHERE machine_id = ?", stack.machine(name)["id"])]


def _differs(page: Page, guest: Guest) -> float:
    """How much of the canvas is not what libvirt's own screenshot shows, from 0 to 1. A blinking cursor is 0.0005 of it."""
    with guest.host.connection() as connection:
        stream, picture = connection.newStream(), bytearray()
        connection.lookupByUUIDString(guest.uuid).screenshot(stream, 0)
        stream.recvAll(lambda _stream, data, _opaque: picture.extend(data), None)
        stream.finish()
    return float(page.evaluate(DIFFERENCE, base64.b64encode(picture).decode()))


def _says(page: Page, command: str, wanted: str) -> bool:
    """Type a command on the line; whether the guest's answer came within a few seconds."""
    page.keyboard.type(command + "\n")
    try:
        page.wait_for_function("wanted => document.querySelector('.xterm-rows')?.textContent.includes(wanted)", arg=wanted, timeout=4_000)
    except TimeoutError:
        return False
    return True


def _to_serial(page: Page) -> None:
    page.click("[data-kind=serial]")
    page.wait_for_function(OPEN, timeout=60_000)


def _to_vnc(page: Page) -> None:
    page.click("[data-kind=vnc]")
    page.wait_for_function(DRAWN, timeout=60_000)


def _type_text(tab: kit.Tab, text: str, *, layout: str = "", picture: str = "") -> None:
    """By the dialog that types a text as keys."""
    page = tab.page
    page.click("[data-type]")
    if layout:
        page.select_option("wv-console-type select[name=layout]", layout)
    page.fill("wv-console-type textarea:not([readonly])", text)
    if picture:
        _look(tab, picture)
    page.click("wv-console-type [data-go]")
    page.wait_for_selector("wv-console-type dialog", state="hidden", timeout=60_000)


def test_picture_keys_and_serial(browser: Browser, stack: Stack, state: Any, linux: Guest) -> None:
    tab = _tab(browser, stack, state)
    page = tab.open(f"/consoles/{stack.machine('tab-linux')['id']}/")
    page.wait_for_function(OPEN, timeout=60_000)
    page.wait_for_function(DRAWN, timeout=60_000)
    _look(tab, "vnc")
    assert tab.violations() == []
    wait_until("the picture is libvirt's own", lambda: _differs(page, linux) < 0.003, seconds=30)
    with tab.without_reload():
        _to_serial(page)
        page.wait_for_selector(".xterm-rows")
        wait_until("the shell answers", lambda: _says(page, "rm -f /tmp/typed; echo $((40+2))", "42"), seconds=90)
        _look(tab, "serial")
        _to_vnc(page)
        _type_text(tab, "echo typed > /tmp/typed\n", picture="type")
        _to_serial(page)
        wait_until("the keys were typed", lambda: _says(page, "sed s/^/got-/ /tmp/typed; rm -f /tmp/abroad", "got-typed"), seconds=60)
        _to_vnc(page)
        # Where a German keyboard has y, z, - and >, the guest's American one has z, y, / and >.
        _type_text(tab, "echo yzx > -tmp-abroad\n", layout="de")
        _to_serial(page)
        wait_until("by the German layout", lambda: _says(page, "sed s/^/got-/ /tmp/abroad", "got-zyx"), seconds=60)
    tab.close()


def test_rebooted_switched_off_and_on_and_its_bridge_killed(browser: Browser, stack: Stack, state: Any, linux: Guest) -> None:
    tab = _tab(browser, stack, state)
    page = tab.open(f"/consoles/{stack.machine('tab-linux')['id']}/")
    page.wait_for_function(DRAWN, timeout=60_000)
    with tab.without_reload():
        page.click("[popovertarget=keys-menu]")
        page.click('[data-press="ControlLeft AltLeft Delete"]')
        wait_until("Ctrl-Alt-Del rebooted the guest", lambda: "Rebooted" in _history(stack, "tab-linux"), seconds=60)
        assert page.evaluate(OPEN), "a reboot keeps the screen"
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


@dataclass(frozen=True)
class Nomad:
    """A machine that is never left in peace, and the one tab that shows it."""

    it: Moving
    page: Page

    def comes_back(self, what: str, deed: Callable[[], object]) -> None:
        before = self._opened()
        deed()
        wait_until(f"another console after: {what}", lambda: self._opened() > before, seconds=60, every=0.2)
        self.page.wait_for_function(OPEN, timeout=60_000)
        self.page.wait_for_function(DRAWN, timeout=60_000)

    def _opened(self) -> int:
        return len(self.it.stack.rows("SELECT 1 FROM consoles_consolesession WHERE machine_id = ?", self.it.number))

    def virsh(self, *verbs: str) -> None:
        for verb in verbs:
            self.it.guest.host.virsh(verb, self.it.guest.uuid)

    def save(self) -> None:
        self.virsh("managedsave")
        self.page.wait_for_selector("[data-start]:visible", timeout=60_000)
        self.virsh("start")


@pytest.mark.timeout(300)
def test_it_comes_back_whatever_happens_to_the_machine(browser: Browser, stack: Stack, state: Any, lab: Lab, tiny_guest: Image) -> None:
    """One tab, never loaded again, while its machine is reset, saved, switched off, moved alive by a job of ours to a host that is reached another way."""
    set_ways(stack, hosts=("h1", "h2"))
    it = Moving.make(stack, lab["h2"], "tab-nomad", tiny_guest)
    tab = _tab(browser, stack, state)
    page = tab.open(f"/consoles/{it.number}/")
    nomad = Nomad(it, page)
    page.wait_for_function(DRAWN, timeout=60_000)
    with tab.without_reload():
        nomad.virsh("reset")
        page.wait_for_function(DRAWN, timeout=60_000)
        nomad.comes_back("the way to the host was cut", lambda: lab["h2"].run("sh", "-c", "pkill -9 -f '[s]shd: root'; true"))
        wait_until("it is followed again", lambda: stack.host("h2")["state"] == "online", seconds=60)
        nomad.comes_back("saved and restored", nomad.save)
        nomad.comes_back("power cycle", lambda: nomad.virsh("destroy", "start"))
        it.guest.wait_for_agent()
        it.remember_in_memory("never off")
        nomad.comes_back("moved by a job of ours", lambda: it.move("h1"))
        page.wait_for_function("() => document.querySelector('.wv-chost').textContent === 'h1'", timeout=30_000)
        _look(tab, "moved")
        _is_in_hand(tab, it.on("h1"))
        near = lab["h1"]
        near.kill_libvirtd()
        wait_until("the portal has seen it", lambda: stack.host("h1")["state"] != "online", seconds=30)
        assert page.evaluate(OPEN), "the machine lives, and so does its screen"
        near.start_libvirtd()
        wait_until("it is followed again", lambda: stack.host("h1")["state"] == "online", seconds=60)
        there = Nomad(it.on("h1"), page)
        there.comes_back("power cycle there", lambda: there.virsh("destroy", "start"))
    tab.close()


def _is_in_hand(tab: kit.Tab, moved: Moving) -> None:
    """The picture is the moved machine's, which was never off, and its keys are the tab's."""
    wait_until("the picture is the moved machine's", lambda: _differs(tab.page, moved.guest) < 0.003, seconds=30)
    assert moved.in_memory == "never off"
    _type_text(tab, "echo moved > /tmp/typed\n")
    wait_until("the keys reach the guest", lambda: moved.sh("cat /tmp/typed 2>/dev/null") == "moved", seconds=30)


def _visitor(stack: Stack) -> Credentials:
    """Somebody without any right."""
    visitor = Credentials("visitor", stack.administrator.password)
    stack.add_person(visitor, role="viewer")
    stack.manage("shell", "-c", "from accounts.models import Grant; Grant.objects.filter(user__username='visitor').delete()")
    return visitor


def test_two_share_it(browser: Browser, stack: Stack, state: Any, linux: Guest) -> None:
    tab, theirs = _tab(browser, stack, state), _tab(browser, stack, kit.sign_in(browser, stack, _visitor(stack)))
    page = tab.open(f"/consoles/{stack.machine('tab-linux')['id']}/")
    page.wait_for_function(DRAWN, timeout=60_000)
    page.click("#console-who a[data-dialog]")
    page.fill("wv-console-share input[name=to]", "visitor")
    page.click("wv-console-share footer .btn-primary")
    page.wait_for_selector("wv-console-share [data-link]:visible")
    link = page.input_value("wv-console-share [data-link] input")
    _look(tab, "share")
    assert tab.violations() == []
    page.click("wv-console-share [data-close]")
    guest = theirs.open(link)
    guest.wait_for_function(DRAWN, timeout=60_000)
    assert guest.locator("[data-press], [data-type], [data-hold]").count() == 0, "who may only watch is offered no keys"
    for each in (page, guest):
        each.wait_for_function("() => document.querySelectorAll('#console-who .wv-cpeople li').length === 2", timeout=10_000)
    _look(theirs, "watching")
    assert "visitor" in page.inner_text("#console-who .wv-cpeople")
    page.click("#console-who a[data-dialog]")
    page.click("wv-console-share [data-revoke]")
    began = time.monotonic()
    guest.wait_for_function("() => document.querySelector('wv-console').dataset.state !== 'open'", timeout=10_000)
    assert time.monotonic() - began < 2.0, "at once"
    guest.wait_for_selector("text=This console is over")
    assert guest.locator("#console-who li").count() == 0, "nor who else is on it"
    _look(theirs, "revoked")
    theirs.close()
    tab.close()


def test_what_the_bar_can_do(browser: Browser, stack: Stack, state: Any, linux: Guest) -> None:
    tab = _tab(browser, stack, state)
    sent: list[Any] = []
    tab.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page = tab.open(f"/consoles/{stack.machine('tab-linux')['id']}/")
    page.wait_for_function(DRAWN, timeout=60_000)
    page.click("[popovertarget=view-menu]")
    page.click("[data-quality='9']")
    page.wait_for_timeout(500)
    assert any(BEST in frame for frame in sent if isinstance(frame, bytes)), "the best picture was asked for"
    page.click("[data-full]")
    page.wait_for_function("() => document.fullscreenElement !== null")
    page.click("[data-full]")
    page.wait_for_function("() => document.fullscreenElement === null")
    for verb, becomes in (("pause", "paused"), ("resume", "running")):
        page.click("[popovertarget=power-menu]")
        page.click(f"#power-menu button[value={verb}]")
        wait_until(f"it is {becomes}", lambda becomes=becomes: stack.machine("tab-linux")["state"] == becomes, seconds=30)  # type: ignore[misc]
        page.wait_for_selector(f"#console-head .is-{becomes}")
    page.click("[data-watch]")
    page.wait_for_selector("[data-watch][aria-pressed=true]")
    page.wait_for_function(DRAWN, timeout=60_000)
    wait_until("it is known", lambda: stack.rows("SELECT view_only FROM consoles_consolesession WHERE closed_at IS NULL") == [{"view_only": 1}])
    page.click("[data-watch]")
    _to_serial(page)
    page.click("[data-reading]")
    wait_until("the shell answers", lambda: _says(page, "echo $((50+5))", "55"), seconds=60)
    page.wait_for_function("() => document.querySelector('.xterm-accessibility')?.textContent.includes('55')")
    _look(tab, "read-aloud")
    tab.close()


def test_others_see_who_is_on_it(browser: Browser, stack: Stack, state: Any, linux: Guest) -> None:
    tab, beside = _tab(browser, stack, state), kit.Tab(browser, stack, state)
    page = tab.open(f"/consoles/{stack.machine('tab-linux')['id']}/")
    page.wait_for_function(OPEN, timeout=60_000)
    _to_serial(page)
    seen = beside.open("/machines/?columns=1&col=host&col=cpu&col=screen")
    seen.wait_for_selector(".c-screen wv-screen img", timeout=60_000)
    _look(beside, "list")
    assert beside.violations() == []
    seen = beside.open(f"/machines/{stack.machine('tab-linux')['id']}/")
    seen.wait_for_selector(".wv-company li >> text=administrator")
    seen.wait_for_selector("wv-screen img", timeout=60_000)
    _look(beside, "company")
    assert beside.violations() == []
    tab.close()
    seen.wait_for_selector(".wv-company", state="detached", timeout=10_000)
    seen = beside.open(f"/machines/{stack.machine('tab-linux')['id']}/history/")
    seen.wait_for_selector("text=On its console by Serial")
    _look(beside, "history")
    beside.close()


def test_on_a_phone_and_on_the_wall(browser: Browser, stack: Stack, state: Any, linux: Guest) -> None:
    """With a key held on the bar: without its Ctrl the d would end nothing."""
    tab = _tab(browser, stack, state, viewport=kit.PHONE, color_scheme="dark", has_touch=True, is_mobile=True)
    page = tab.open(f"/consoles/{stack.machine('tab-linux')['id']}/")
    page.wait_for_function(DRAWN, timeout=60_000)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    _look(tab, "phone")
    assert tab.violations() == []
    page.click("wv-console-touch button")
    page.keyboard.type("cat > /tmp/held")
    page.keyboard.press("Enter")
    page.keyboard.type("word")
    page.keyboard.press("Enter")
    page.wait_for_timeout(1_000)  # it is typed
    page.click("[data-hold=ControlLeft]")
    page.click("wv-console-touch button")
    page.keyboard.type("d")
    page.wait_for_timeout(300)
    page.click("[data-hold=ControlLeft]")
    page.click("wv-console-touch button")
    page.keyboard.type("echo said > /tmp/after")
    page.keyboard.press("Enter")
    page.wait_for_timeout(1_000)
    page.click("[data-kind=serial]")
    page.wait_for_function(OPEN, timeout=60_000)
    wait_until("Ctrl-D ended it", lambda: _says(page, "clear; cat /tmp/held /tmp/after | sed s/^/=/", "=said"), seconds=60)
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
    tab = _tab(browser, stack, state)
    page = tab.open(f"/consoles/{stack.machine('tab-spice')['id']}/")
    page.wait_for_function(DRAWN, timeout=60_000)
    _look(tab, "spice")
    tab.close()
