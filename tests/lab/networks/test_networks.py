"""Networks of a real host, by the pages: made, used by a guest that really asks for an address, changed while it runs, restarted, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import kit
from tests.lab.guests import Image, Recipe
from tests.lab.lab import Host, Lab
from tests.stack import Stack
from tests.waiting import wait_until

NAMES = ("nat-lab", "quiet-lab", "routed-lab")


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Host]:
    """h1; what is left of our networks goes."""
    yield lab["h1"]
    for name in NAMES:
        for list_flag, verb in (("", "net-destroy"), ("--all", "net-undefine")):
            if name in lab["h1"].virsh("net-list", "--name", *([list_flag] if list_flag else [])).split():
                lab["h1"].virsh(verb, name)


def test_a_network_from_the_form_to_the_end(host: Host, stack: Stack, online: None, new_tab: Callable[..., kit.Tab], tiny_guest: Image) -> None:
    number = stack.host("h1")["id"]
    tab = new_tab()

    # Made by the form: its row comes by itself.
    page = tab.open(f"/networks/hosts/{number}/new/")
    page.get_by_label("Name", exact=True).fill("nat-lab")
    page.locator("#id_address4").fill("192.168.77.1/24")
    page.locator("#id_ranges4").fill("192.168.77.100 - 192.168.77.200")
    page.locator("#id_domain").fill("lab.example")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(f"**/networks/hosts/{number}/")
    expect(page.locator("tr", has_text="nat-lab")).to_contain_text("Running", timeout=20_000)
    assert "<range start='192.168.77.100' end='192.168.77.200'" in host.virsh("net-dumpxml", "nat-lab")
    assert "nat-lab" in host.virsh("net-list", "--autostart", "--name").split()

    # A guest gets a lease: an open page shows it.
    network = _row(stack, "nat-lab")
    page = tab.open(f"/networks/{network['id']}/")
    expect(page.locator("#network-leases")).to_contain_text("None yet")
    with tab.without_reload():
        guest = host.define(Recipe("lodger", image=tiny_guest, network="nat-lab"), start=True)
        lease = page.locator("#network-leases tbody tr")
        expect(lease).to_have_count(1, timeout=60_000)
        expect(lease.get_by_role("link", name="lodger")).to_be_visible(timeout=20_000)
        expect(page.locator("#network-cards")).to_contain_text("lodger")
        address = lease.locator("th").inner_text()

        # Fixed while it runs, by the lease's own button: the running network has it at once.
        lease.get_by_role("link", name="Fix").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Address", exact=True)).to_have_value(address)
        dialog.get_by_label("Name", exact=True).fill("lodger")
        dialog.get_by_role("button", name="Add").click()
        expect(page.locator("#network-parts")).to_contain_text(address, timeout=20_000)
        expect(lease).to_contain_text("fixed")
    assert f"ip='{address}'" in host.virsh("net-dumpxml", "nat-lab")
    assert f"ip='{address}'" in host.virsh("net-dumpxml", "nat-lab", "--inactive")
    assert tab.violations() == []

    # What libvirt can't change in a running network waits, and everybody is told.
    page.get_by_role("link", name="Edit", exact=True).click()
    page.locator("#id_mtu").fill("1400")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/networks/{network['id']}/")
    expect(page.locator("#network-body .wv-note")).to_contain_text("MTU. They take effect when the network is started again", timeout=20_000)
    assert "1400" not in host.virsh("net-dumpxml", "nat-lab")
    assert "<mtu size='1400'/>" in host.virsh("net-dumpxml", "nat-lab", "--inactive")
    job = stack.rows("SELECT * FROM jobs_job WHERE kind = 'hosts.networks.change_network' ORDER BY id DESC LIMIT 1")[0]
    assert job["state"] == "done" and '"at_restart": ["MTU"]' in job["result"]

    # Deleting it under a running machine is refused; restarting names the machine, and plugs it in again.
    refused = stack.web.post(f"/networks/{network['id']}/delete/", {"typed": "nat-lab"})
    assert refused.status == 409 and b"lodger runs on it" in refused.body
    with tab.without_reload():
        page.get_by_role("link", name="Restart").first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("lodger")
        expect(dialog).to_contain_text("MTU")
        assert tab.violations() == []
        dialog.get_by_role("button", name="Restart").click()
        expect(page.locator("#network-body .wv-note")).to_have_count(0, timeout=30_000)
    assert "<mtu size='1400'/>" in host.virsh("net-dumpxml", "nat-lab")
    job = stack.rows("SELECT * FROM jobs_job WHERE kind = 'hosts.networks.restart_network' ORDER BY id DESC LIMIT 1")[0]
    assert stack.wait_job(job["id"])["state"] == "done"
    bridge = network["bridge"]
    assert f"master {bridge}" in host.run("bridge", "link"), host.run("bridge", "link")
    assert "webvirt-" not in host.virsh("net-list", "--all", "--name")

    # Off, it can go, once its name is typed.
    guest.host.virsh("destroy", "lodger")
    wait_until("the machine is seen off", lambda: stack.machine("lodger")["state"] == "off", seconds=20)
    page.get_by_role("button", name="More for nat-lab").click()
    page.get_by_role("menuitem", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("lodger")  # it is off and names the network
    dialog.get_by_role("textbox").fill("nat-lab")
    dialog.get_by_role("button", name="Delete").click()
    page.wait_for_url(f"**/networks/hosts/{number}/")
    expect(page.locator("tr", has_text="nat-lab")).to_have_count(0, timeout=20_000)
    assert "nat-lab" not in host.virsh("net-list", "--all", "--name").split()


def test_other_modes_and_what_clashes(host: Host, stack: Stack, online: None) -> None:
    number = stack.host("h1")["id"]
    new = f"/networks/hosts/{number}/new/"
    _ask(stack, new, name="quiet-lab", mode="isolated", address4="10.55.0.1/24", ranges4="10.55.0.10 - 10.55.0.20", address6="fd00:55::1/64", start="on")
    _ask(stack, new, name="routed-lab", mode="route", address4="10.56.0.1/24", device="eth0", start="on")
    wait_until("both are seen", lambda: {_row(stack, name)["mode"] for name in ("quiet-lab", "routed-lab")} == {"isolated", "route"}, seconds=30)
    assert "<forward" not in host.virsh("net-dumpxml", "quiet-lab")
    assert "<forward dev='eth0' mode='route'>" in host.virsh("net-dumpxml", "routed-lab")

    for fields, words in (
        ({"name": "clash", "mode": "nat", "address4": "10.55.0.129/25"}, b"overlaps with the network quiet-lab"),
        ({"name": "clash", "mode": "isolated", "address6": "fd00:55::9/64"}, b"overlaps with the network quiet-lab"),
        ({"name": "quiet-lab", "mode": "isolated"}, b"A network of this name is on the host"),
        ({"name": "clash", "mode": "isolated", "bridge": _row(stack, "quiet-lab")["bridge"]}, b"has this bridge"),
    ):
        reply = stack.web.post(new, fields)
        assert reply.status == 422 and words in reply.body, fields
    assert "clash" not in host.virsh("net-list", "--all", "--name").split()

    # Somebody else's change to a running network comes without an event: whoever looks has it read.
    path = f"/networks/{_row(stack, 'quiet-lab')['id']}/"
    stack.web.get(path)
    host.virsh("net-update", "quiet-lab", "add", "ip-dhcp-host", "<host mac='52:54:00:00:00:09' ip='10.55.0.99'/>", "--live", "--config")
    stack.web.get(path)
    wait_until("the change is seen", lambda: "10.55.0.99" in _row(stack, "quiet-lab")["xml"], seconds=20)
    stale = stack.web.post(f"{path}parts/fixed/0/remove/", {"based_on": "0" * 32})
    assert stale.status == 409 and b"changed meanwhile" in stale.body

    # libvirt's own refusal comes back in its words: the device is not there.
    reply = stack.web.post(new, {"name": "broken-lab", "mode": "bridge", "host_bridge": "nowhere0", "in_average": "1000", "start": "on"})
    job = stack.wait_job(int(reply.headers["WV-Job"]), seconds=60)
    assert job["state"] == "failed" and "does not start" in job["error"], job
    wait_until("it is there all the same", lambda: _row(stack, "broken-lab")["active"] == 0, seconds=20)
    _ask(stack, f"/networks/{_row(stack, 'broken-lab')['id']}/delete/", typed="broken-lab")
    assert "broken-lab" not in host.virsh("net-list", "--all", "--name").split()


def _ask(stack: Stack, path: str, **fields: str) -> None:
    """Send a form and wait until its job has done what it says."""
    reply = stack.web.post(path, fields)
    assert reply.status == 204, f"{path}: {reply.status} {reply.body[:600]!r}"
    job = stack.wait_job(int(reply.headers["WV-Job"]), seconds=60)
    assert job["state"] == "done", f"{path}: {job['error']} {job['detail']}"


def _row(stack: Stack, name: str) -> dict[str, Any]:
    host = stack.host("h1")["id"]
    found = stack.rows("SELECT * FROM networks_network WHERE name = ? AND host_id = ? AND gone_at IS NULL", name, host)
    assert found, f"{name} is not known"
    return found[0]
