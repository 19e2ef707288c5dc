"""Screens and lines of real QEMU through the whole chain: page, ticket, web process, bridge, host, display."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

import pytest
from lxml import etree

from tests import consoles
from tests.lab.consoles.opening import link_spice, open_console, wait_known
from tests.lab.guests import Image, Recipe, domain_xml
from tests.lab.lab import Guest, Host, Lab
from tests.stack import Credentials, Stack
from tests.waiting import wait_until
from tests.websession import WebSession
from virt.connection import Connection
from virt.display import Display, running
from virt.uri import Endpoint

OPEN = "SELECT * FROM consoles_consolesession WHERE closed_at IS NULL"


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """h1 by its socket, h2 by SSH: nothing but sshd of h2 can be reached."""
    stack = Stack.start()
    stack.add_host("h1", lab["h1"].uri)
    far = lab["h2"].ssh_endpoint
    stack.add_host("h2", f"qemu+ssh://{far.user}@{far.host}:{far.port}/system", "--key-file", str(far.private_key), "--host-key", far.host_key)
    wait_until("both are followed", lambda: {stack.host(name)["state"] for name in ("h1", "h2")} == {"online"}, seconds=30)
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def linux(lab: Lab, stack: Stack, tiny_guest: Image) -> Guest:
    """A Linux on the far host: its screen is on a unix socket there, a shell waits on its serial line."""
    guest = lab["h2"].define(Recipe("linux", image=tiny_guest), start=True)
    wait_known(stack, "linux")
    return guest


def test_a_screen_on_a_socket_of_this_machine(stack: Stack, lab: Lab) -> None:
    guest = lab["h1"].define(Recipe("firmware"), start=True)
    wait_known(stack, "firmware")
    with open_console(stack, "firmware") as console:
        screen = consoles.greet(console)
        assert "firmware" in screen.name
        assert len(set(consoles.pixels(console, screen))) > 1, "something is drawn"
        (row,) = stack.rows(OPEN)
        assert (row["person"], row["kind"], row["view_only"]) == ("administrator", "vnc", 0)
        guest.host.virsh("destroy", guest.uuid)
        assert console.farewell().code == 4409
    _wait_noneopen_console(stack)


def test_a_line_typed_and_read_by_two_and_watched_by_a_third(stack: Stack, linux: Guest) -> None:
    with open_console(stack, "linux", kind="serial") as first:
        wait_until("the shell answers", lambda: _says(first, b"echo $((40+2))\n", b"42"), seconds=60)
        with open_console(stack, "linux", kind="serial") as second, open_console(stack, "linux", kind="serial", view_only=True) as watcher:
            assert b"42" in second.until(b"42"), "a late comer sees what was said"
            second.send(b"echo $((1000+1))\n")
            for each in (first, second, watcher):
                each.until(b"1001")
            watcher.send(b"echo $((2000+2))\n")
            first.send(b"echo $((3000+3))\n")
            assert b"2002" not in first.until(b"3003"), "a watcher types nothing"
            assert len(stack.rows(OPEN)) == 3
    _wait_noneopen_console(stack)


def test_a_screen_behind_ssh_keys_reach_the_guest_and_a_watchers_do_not(stack: Stack, linux: Guest) -> None:
    with (
        open_console(stack, "linux", kind="serial") as line,
        open_console(stack, "linux") as console,
        open_console(stack, "linux", view_only=True) as watcher,
    ):
        screen, seen = consoles.greet(console), consoles.greet(watcher)
        assert len(set(consoles.pixels(console, screen))) > 1
        assert consoles.pixels(watcher, seen), "who watches sees"
        line.send(b"rm -f /tmp/*; stty -echo\n")
        _type(watcher, "echo a > /tmp/watcher\n")
        consoles.pixels(watcher, seen)  # all before it has been read
        _type(console, "echo b > /tmp/typed\n")
        wait_until("the keys are in the guest", lambda: _says(line, b"echo $(ls /tmp):end\n", b"typed:end"), seconds=60)
        line.send(b"echo $(ls /tmp)=all\n")
        assert b"watcher" not in line.until(b"=all")


def test_displays_with_a_password_ask_nobody_for_it(stack: Stack, lab: Lab) -> None:
    """By SSH and on loopback, where libvirt does not hand out connections; VNC and SPICE."""
    root = etree.fromstring(domain_xml(Recipe("secret")))
    devices = root.find("devices")
    assert devices is not None
    devices.remove(devices.find("graphics"))
    for kind in ("vnc", "spice"):
        etree.SubElement(devices, "graphics", type=kind, autoport="yes", listen="127.0.0.1", passwd="geheim")
    devices.find("graphics").set("passwdValidTo", "2020-01-01T00:00:00")  # QEMU takes VNC's no more
    with lab["h2"].connection() as connection:
        connection.defineXML(etree.tostring(root, encoding="unicode")).create()
    wait_known(stack, "secret")
    with open_console(stack, "secret") as console:
        assert len(set(consoles.pixels(console, consoles.greet(console)))) > 1
    with open_console(stack, "secret", kind="spice") as console:
        assert link_spice(console, channel=1) == 0, "signed in, with a password that the browser does not know"
        kind, _size, connection = struct.unpack("<HII", console.exactly(10))
        assert kind == 103, "the main channel begins"
        machine = stack.machine("secret")["id"]
        asked = consoles.ask(stack.web, machine, kind="spice")
        assert (asked["status"], "taken over" in asked["error"]) == (409, True), asked
        more = consoles.ask(stack.web, machine, kind="spice", session=stack.rows(OPEN)[-1]["key"], count=3)
        assert len(more["tickets"]) == 3, more
        with consoles.Socket(consoles.Door.of(stack.web), more["tickets"][0]) as display:
            assert link_spice(display, channel=2, connection=connection) == 0, "a second channel of the same console"
        assert len(stack.rows(OPEN)) == 1, "several sockets, one console"


def test_virt_viewer_gets_a_display_on_the_network_with_its_password(stack: Stack, lab: Lab, linux: Guest) -> None:
    _start_reachable(stack, lab, "reachable", passwd="geheim")
    path = f"/consoles/{stack.machine('reachable')['id']}/console.vv"
    assert "data-viewer" in stack.web.get(path.replace("console.vv", "")).body.decode()
    lines = _viewer_file(stack.web, path)
    assert (lines["type"], lines["host"], lines["password"], lines["title"]) == ("vnc", stack.host("h2")["address"], "geheim", "reachable")
    assert int(lines["port"]) >= 5900
    assert stack.web.get(path).status == 202, "each file is asked for anew"
    (noted,) = stack.rows("SELECT * FROM accounts_auditentry WHERE action = 'consoles.viewer_file'")
    assert "geheim" not in str(noted)
    assert stack.web.get(f"/consoles/{stack.machine('linux')['id']}/console.vv").status == 409, "on a socket of its host it is out of reach"


def test_a_lent_password_ends_with_the_right_to_the_console_and_a_lasting_one_is_not_lent(stack: Stack, lab: Lab) -> None:
    helper = Credentials("helper", stack.administrator.password)
    stack.add_person(helper, role="console")
    web = WebSession(stack.url)
    web.sign_in(helper.name, helper.password)
    _start_reachable(stack, lab, "owned", passwd="geheim")
    words = wait_until("it is told why not", lambda: _told(web, f"/consoles/{stack.machine('owned')['id']}/console.vv", 409), seconds=30, every=0.3)
    assert "its owner has set for good" in words
    _start_reachable(stack, lab, "lent", passwd="geheim", passwdValidTo="2020-01-01T00:00:00")
    password = _viewer_file(web, f"/consoles/{stack.machine('lent')['id']}/console.vv")["password"]
    assert password not in ("", "geheim")
    assert _display_of(lab, "lent").password == password
    assert _display_of(lab, "lent").is_lent(120)
    stack.manage("shell", "-c", "from accounts.models import Grant; Grant.objects.filter(user__username='helper').delete()")
    wait_until("QEMU takes it no more", lambda: _display_of(lab, "lent").expired, seconds=5)
    assert _display_of(lab, "lent").password != password


def _start_reachable(stack: Stack, lab: Lab, name: str, **graphics: str) -> None:
    """A machine on h2 whose screen listens for the network."""
    root = etree.fromstring(domain_xml(Recipe(name)))
    screen = root.find("devices/graphics")
    assert screen is not None
    screen.getparent().replace(screen, etree.Element("graphics", type="vnc", autoport="yes", listen="0.0.0.0", **graphics))
    with lab["h2"].connection() as connection:
        connection.defineXML(etree.tostring(root, encoding="unicode")).create()
    wait_known(stack, name)


def _viewer_file(web: WebSession, path: str) -> dict[str, str]:
    """Its lines, once the host has told."""
    text = wait_until("the host has told", lambda: _told(web, path, 200), seconds=30, every=0.3)
    return dict(line.partition("=")[::2] for line in text.splitlines())


def _told(web: WebSession, path: str, status: int) -> str:
    answer = web.get(path)
    assert answer.status in (status, 202), answer
    return answer.body.decode() if answer.status == status else ""


def _display_of(lab: Lab, name: str) -> Display:
    """As its host has it now."""
    with lab["h2"].connection() as raw:
        connection = Connection(Endpoint("socket", path=str(lab["h2"].socket)), raw)
        (display,) = running(connection, raw.lookupByName(name).UUIDString()).displays
    return display


def test_what_dies_is_told_and_comes_back(stack: Stack, lab: Lab, linux: Guest) -> None:
    host = lab["h2"]
    with open_console(stack, "linux") as console:
        consoles.greet(console)
        stack.kill("consolebridge")
        assert console.farewell().code == 1006
    with open_console(stack, "linux") as console:  # the web process waits for the new one
        screen = consoles.greet(console)
        stack.kill("web")
        assert consoles.pixels(console, screen), "no byte of it goes through the web process"
        stack.wait_ready()
        host.kill_libvirtd()
        assert consoles.pixels(console, screen), "QEMU lives, and the tunnel to it"
        host.start_libvirtd()
    _wait_online(stack, "h2")
    with open_console(stack, "linux") as console:
        consoles.greet(console)
        _cut_ssh(host)
        assert console.farewell().code in (4502, 4409)
    _wait_online(stack, "h2")
    wait_until("a screen again", lambda: _shows(stack, "linux"), seconds=30)
    _wait_noneopen_console(stack, seconds=60)


def _shows(stack: Stack, machine: str) -> bool:
    with open_console(stack, machine) as console:
        return consoles.greet(console).width > 0


def _says(line: consoles.Socket, typed: bytes, words: bytes) -> bool:
    """Type, and whether it is answered within two seconds."""
    line.raw.settimeout(2)
    try:
        line.send(typed)
        line.until(words)
        return True
    except TimeoutError:
        return False
    finally:
        line.raw.settimeout(20)


def _type(console: consoles.Socket, text: str) -> None:
    """As keys: X11's numbers are Unicode's for these. Not faster than a keyboard, whose buffer holds 16 codes."""
    for letter in text:
        key = 0xFF0D if letter == "\n" else ord(letter)
        shifted = letter in '>$:"'
        for down in (1, 0):
            if shifted and down:
                console.send(struct.pack(">BBxxI", 4, 1, 0xFFE1))
            console.send(struct.pack(">BBxxI", 4, down, key))
            if shifted and not down:
                console.send(struct.pack(">BBxxI", 4, 0, 0xFFE1))
        time.sleep(0.04)


def _cut_ssh(host: Host) -> None:
    """End every SSH connection to the host, as a network that resets does."""
    host.run("sh", "-c", "pkill -9 -f '[s]shd: root' ; true")


def _wait_online(stack: Stack, name: str) -> None:
    wait_until(f"{name} is followed again", lambda: stack.host(name)["state"] == "online", seconds=40, every=0.2)


def _wait_noneopen_console(stack: Stack, *, seconds: float = 15.0) -> None:
    wait_until("every row is closed", lambda: not stack.rows(OPEN), seconds=seconds)
