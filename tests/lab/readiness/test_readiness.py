"""Readiness of real hosts: one by SSH, whose own shell is asked, one by its socket; what is mended there is seen by looking again. Devices of the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.kit import PHONE, Tab
from tests.lab.lab import Host, Lab
from tests.stack import Stack
from tests.waiting import wait_until

_NO_SHELL = 'command="[ \\"$SSH_ORIGINAL_COMMAND\\" != /bin/sh ] || exec echo only libvirt; exec /bin/sh -c \\"$SSH_ORIGINAL_COMMAND\\"" '


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """It follows h1 by SSH and h2 by its socket."""
    stack = Stack.start()
    ssh = lab["h1"].ssh_endpoint
    uri = f"qemu+ssh://{ssh.user}@{ssh.host}:{ssh.port}/system"
    stack.manage("hosts", "add", "by-ssh", uri, "--key-file", str(ssh.private_key), "--host-key", ssh.host_key)
    stack.manage("hosts", "add", "by-socket", lab["h2"].uri)
    wait_until("both were looked at", lambda: _row(stack, "by-ssh") and _row(stack, "by-socket"), seconds=120, every=0.3)
    yield stack
    stack.stop()


@pytest.fixture
def host(lab: Lab) -> Iterator[Host]:
    """h1, whole again afterwards."""
    keys = lab["h1"].directory / "home" / ".ssh" / "authorized_keys"
    before = keys.read_text()
    yield lab["h1"]
    keys.write_text(before)
    lab["h1"].run("sh", "-c", "umount /usr/bin/swtpm /usr/bin/qemu-img 2>/dev/null; true")


def test_what_lacks_is_seen_and_after_mending_and_looking_again_it_is_fine(host: Host, stack: Stack, new_tab: Callable[..., Tab]) -> None:
    facts = json.loads(_row(stack, "by-ssh")["facts"])
    assert facts["shown"]["kernel"] == host.run("uname", "-r").strip()
    assert facts["told"]["libvirt_version"] == stack.host("by-ssh")["libvirt_version"]
    assert facts["shown"]["qemu_img"] and facts["shown"]["cgroups"]

    host.run("mount", "--bind", "/dev/null", "/usr/bin/qemu-img")
    tab = new_tab()
    page = tab.open(f"/hosts/{stack.host('by-ssh')['id']}/readiness/")
    with tab.without_reload():
        page.get_by_role("button", name="Check again").click()
        expect(page.locator("#check-qemu-img")).to_contain_text("qemu-utils", timeout=30_000)
        assert tab.violations() == []
        host.run("umount", "/usr/bin/qemu-img")
        page.get_by_role("button", name="Check again").click()
        expect(page.locator("#check-qemu-img")).to_have_count(0, timeout=30_000)
        expect(page.locator(".wv-chk.is-ok", has_text="qemu-img")).to_be_visible()


def test_an_account_that_runs_no_commands_is_followed_all_the_same(host: Host, stack: Stack) -> None:
    keys = host.directory / "home" / ".ssh" / "authorized_keys"
    keys.write_text("".join(_NO_SHELL + line + "\n" for line in keys.read_text().splitlines() if line.strip()))
    _look_again(stack, "by-ssh")
    wait_until("it is told by libvirt alone", lambda: "runs no commands" in _row(stack, "by-ssh")["facts"], seconds=30)
    states = json.loads(_row(stack, "by-ssh")["states"])
    assert states["kernel"] == "unknown" and states["libvirt"] == "fine"
    assert stack.host("by-ssh")["state"] == "online"


def test_pages_of_what_libvirt_tells_alone(stack: Stack, new_tab: Callable[..., Tab]) -> None:
    number = stack.host("by-socket")["id"]
    for tab, parts in ((new_tab(), ("devices", "readiness")), (new_tab(color_scheme="dark", viewport=PHONE), ("readiness",))):
        for part in parts:
            page = tab.open(f"/hosts/{number}/{part}/")
            words = {"devices": "For machines", "readiness": "It is not connected by SSH."}[part]
            expect(page.locator(f"#{part}")).to_contain_text(words, timeout=30_000)
            assert tab.violations() == []
        page = tab.open("/hosts/readiness/")
        expect(page.locator("table")).to_contain_text("by-socket")
        assert tab.violations() == []


def test_devices_are_those_of_the_host(lab: Lab, stack: Stack) -> None:
    there = set(lab["h2"].virsh("nodedev-list", "--cap", "pci").split())
    assert there
    seen = stack.rows("SELECT name FROM devices_device WHERE kind = 'pci' AND host_id = ?", stack.host("by-socket")["id"])
    assert {row["name"] for row in seen} == there


def _look_again(stack: Stack, name: str) -> None:
    assert stack.web.post(f"/hosts/{stack.host(name)['id']}/readiness/check/", {}).status == 204


def _row(stack: Stack, name: str) -> dict[str, Any]:
    rows = stack.rows("SELECT r.* FROM readiness_hostreadiness r JOIN hosts_host h ON h.id = r.host_id WHERE h.name = ?", name)
    return rows[0] if rows else {}
