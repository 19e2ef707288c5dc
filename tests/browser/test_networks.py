"""Networks in a real browser: a form that asks only what its mode needs, errors at their fields, dialogs, and nothing that axe finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import kit
from tests.browser.kit import Tab
from tests.lab.fleet import Fleet
from tests.stack import Stack
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def network(stack: Stack, fleet: Callable[[int], Fleet]) -> Iterator[dict[str, Any]]:
    """default of a daemon of libvirt's test driver."""
    one = fleet(1)
    stack.add_hosts({"nethost": one.hosts[0].uri})

    def find() -> Any:
        host = stack.host("nethost")["id"]
        found = stack.rows("SELECT * FROM networks_network WHERE name = 'default' AND host_id = ?", host)
        assert found
        return found[0]

    yield wait_until("the network is known", find, seconds=30, every=0.2)
    stack.manage("shell", "-c", "from hosts.models import Host; Host.objects.filter(name='nethost').delete()")


def test_the_form_asks_what_its_mode_needs(tab: Tab, network: dict[str, Any]) -> None:
    page = tab.open("/networks/")
    page.get_by_role("link", name="New network").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("On the host").select_option(label="nethost")
    dialog.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/new/")
    name = page.get_by_label("Name", exact=True)
    name.fill("lab net")
    expect(page.locator("#id_address4")).to_have_value("192.168.100.1/24")
    asked = {
        "nat": ("address4", "device", "domain"),
        "route": ("address4", "device"),
        "open": ("address4",),
        "isolated": ("address4", "domain"),
        "bridge": ("host_bridge",),
        "macvtap": ("devices", "way"),
        "openvswitch": ("host_bridge", "vlan"),
    }
    everything = {field for fields in asked.values() for field in fields}
    for mode, fields in asked.items():
        page.locator(f"input[name=mode][value={mode}]").check()
        for field in fields:
            expect(page.locator(f"#id_{field}")).to_be_visible()
        hidden = everything - set(fields) - ({"domain"} if mode in ("route", "open") else set())
        for field in hidden:
            expect(page.locator(f"#id_{field}")).to_be_hidden()
        assert tab.violations() == [], mode
    expect(name).to_have_value("lab net")  # what was typed stays

    # By the keyboard alone: each error stands at its field.
    tab.tolerate("422")
    page.locator("input[name=mode][value=nat]").check()
    with tab.without_reload():
        page.locator("#id_address4").fill("192.168.122.5/30")
        name.press("Enter")
        expect(page.locator("#id_name_error")).to_contain_text("no spaces")
        name.fill("lab")
        name.press("Enter")
        expect(page.locator("#id_name_error")).to_have_count(0)
        expect(page.locator("#id_address4_error, #id_ranges4_error").first).to_be_visible()
        page.locator("#id_ranges4").fill("")
        name.press("Enter")
        expect(page.locator("#id_address4_error")).to_contain_text("overlaps with the network default")
        assert tab.violations() == []
        page.locator("#id_address4").fill("10.99.0.1/24")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/networks/hosts/*/")
    expect(page.locator("tr", has_text="lab")).to_contain_text("10.99.0.0/24", timeout=20_000)


def test_a_network_and_its_dialogs(tab: Tab, network: dict[str, Any]) -> None:
    page = tab.open(f"/networks/{network['id']}/")
    assert tab.violations() == []
    with tab.without_reload():
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_role("menuitem", name="Fixed address").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Address", exact=True)).to_be_visible()
        assert tab.violations() == []
        tab.tolerate("422")
        dialog.get_by_label("Address", exact=True).fill("192.168.122.1")
        dialog.get_by_label("MAC address").fill("53:54:00:00:00:01")
        dialog.get_by_role("button", name="Add").click()
        expect(dialog.locator("#id_ip_error")).to_contain_text("the host's own address")
        expect(dialog.locator("#id_mac_error")).to_contain_text("multicast")
        dialog.get_by_label("Address", exact=True).fill("192.168.122.7")
        dialog.get_by_label("MAC address").fill("52:54:00:00:00:01")
        dialog.get_by_role("button", name="Add").click()
        expect(page.locator("#network-parts")).to_contain_text("192.168.122.7", timeout=20_000)
        page.get_by_role("link", name="Remove 192.168.122.7").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(page.locator("#network-parts")).not_to_contain_text("192.168.122.7", timeout=20_000)
        page.get_by_role("button", name="More for default").click()
        page.get_by_role("menuitem", name="Stop…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Stop default?")
        assert tab.violations() == []
        dialog.get_by_role("button", name="Stop").click()
        expect(page.locator("#network-head")).to_contain_text("Off", timeout=20_000)
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#network-head")).to_contain_text("Running", timeout=20_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(new_tab: Callable[..., Tab], network: dict[str, Any], scheme: str) -> None:
    tab = new_tab(viewport=kit.PHONE, color_scheme=scheme)
    number = network["host_id"]
    for path in (
        "/networks/",
        f"/networks/hosts/{number}/",
        f"/networks/hosts/{number}/new/",
        f"/networks/{network['id']}/",
        f"/networks/{network['id']}/edit/",
    ):
        page = tab.open(path)
        assert tab.violations() == [], path
        assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth"), f"{path} is wider than the screen"


def test_without_scripts(new_tab: Callable[..., Tab], stack: Stack, network: dict[str, Any]) -> None:
    """The mode is chosen, the form is sent, the answer is a page: also an error."""
    tab = new_tab(java_script_enabled=False)
    page = tab.page
    page.goto(f"/networks/hosts/{network['host_id']}/new/")
    page.locator("input[name=mode][value=isolated]").check()
    expect(page.locator("#id_device")).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("plain")
    page.locator("#id_address4").fill("192.168.122.9/24")
    page.locator("#id_ranges4").fill("")
    tab.tolerate("422")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#id_address4_error")).to_contain_text("overlaps")
    page.locator("#id_address4").fill("")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/networks/hosts/*/")
    wait_until("it is made", lambda: stack.rows("SELECT * FROM networks_network WHERE name = 'plain'") or None, seconds=20)
