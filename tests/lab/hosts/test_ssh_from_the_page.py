"""A host is added by SSH as the page says: its key compared and pinned, ours let in by the one line; a changed key stops it until somebody has looked."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.kit import Tab
from tests.lab.lab import Host, Lab
from tests.stack import Stack
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """One that knows no host yet."""
    stack = Stack.start()
    yield stack
    stack.stop()


def test_add_step_by_step(tab: Tab, stack: Stack, lab: Lab) -> None:
    host = lab["h3"]
    page = tab.open("/hosts/add/")
    assert tab.violations() == [], "with an empty inventory"
    authorize = _fill_in(page, host)
    page.get_by_role("button", name="Save and test").click()

    # 1. Whose key is it? Nothing is sent before somebody has compared it.
    expect(page.locator(".wv-fingerprint")).to_contain_text(_fingerprint(host), timeout=20_000)
    assert stack.host("by-ssh")["state"] == "new"
    assert _sign_ins(host) == 0
    page.get_by_role("button", name="It is the same: confirm").click()

    # 2. The host does not know our key yet: the test names the step.
    steps = page.locator("#connection")
    expect(steps).to_contain_text("It stops at", timeout=20_000)
    assert _sign_ins(host) == 0

    # 3. The line from the page, run on the host; then all is well.
    host.run("sh", "-c", authorize)
    page.get_by_role("button", name="Test again").click()
    expect(steps).to_contain_text("All well", timeout=20_000)
    wait_until("the host is followed", lambda: stack.host("by-ssh")["state"] == "online", seconds=20, every=0.2)
    assert _sign_ins(host) > 0


def test_changed_key_stops_the_host(tab: Tab, stack: Stack, lab: Lab) -> None:
    host = lab["h3"]
    number = stack.host("by-ssh")["id"]
    page = tab.open(f"/hosts/{number}/")
    with tab.without_reload():
        host.show_host_key("other")
        host.kill_libvirtd()  # cuts the link, so that a new one must be made
        host.start_libvirtd()
        expect(page.get_by_role("alert").filter(has_text="The host key changed")).to_be_visible(timeout=30_000)
    assert stack.host("by-ssh")["state"] == "alarm"
    before = _sign_ins(host)
    assert stack.web.post(f"/hosts/{number}/test/", {}).status == 204
    wait_until("the test has ended", lambda: not stack.rows("SELECT 1 FROM jobs_job WHERE state IN ('queued', 'running')"), seconds=20)
    assert _sign_ins(host) == before


def test_new_key_is_trusted_only_by_hand(tab: Tab, stack: Stack, lab: Lab) -> None:
    host = lab["h3"]
    host.show_host_key("other")
    number = stack.host("by-ssh")["id"]
    page = tab.open(f"/hosts/{number}/test/")
    expect(page.locator("#connection")).to_contain_text(_fingerprint(host), timeout=20_000)
    page.get_by_label("I compared the new fingerprint").check()
    page.get_by_role("button", name="Trust the new key").click()
    wait_until("the host is followed again", lambda: stack.host("by-ssh")["state"] == "online", seconds=30, every=0.2)


def _fill_in(page: Page, host: Host) -> str:
    """The form, filled in; the line that it says to run on the host."""
    ssh = host.ssh_endpoint
    page.locator("label.wv-src", has=page.locator("input[value=ssh]")).click()
    page.fill("input[name=name]", "by-ssh")
    page.fill("input[name=address]", ssh.host)
    page.fill("input[name=port]", str(ssh.port))
    page.fill("input[name=login]", ssh.user)
    return page.locator(".key-portal pre").first.inner_text()


def _fingerprint(host: Host) -> str:
    """As ssh-keygen tells it on the host's own screen."""
    done = subprocess.run(["ssh-keygen", "-lf", "-"], input=host.ssh_endpoint.host_key, capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def _sign_ins(host: Host) -> int:
    return host.log("sshd.log").count("Accepted publickey")
