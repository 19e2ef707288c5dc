"""Hosts in a real browser on the real stack: live, searchable by address, and forms that work without scripts too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.kit import Tab
from tests.lab.fleet import Fleet, FleetHost
from tests.stack import Stack
from tests.waiting import wait_until

NAMES = ("ahost", "bhost", "chost")


@pytest.fixture(scope="module")
def hosts(stack: Stack, fleet: Callable[[int], Fleet]) -> Iterator[list[FleetHost]]:
    """ahost with 8 machines, bhost with 4, chost with none."""
    few = fleet(3)
    for host, count in zip(few.hosts, (8, 4, 0), strict=True):
        host.populate(count, running=count // 2)
    stack.add_hosts(dict(zip(NAMES, (host.uri for host in few.hosts), strict=True)))
    wait_until("all are online", lambda: all(stack.host(name)["state"] == "online" for name in NAMES), seconds=30, every=0.2)
    yield few.hosts
    stack.manage("shell", "-c", f"from hosts.models import Host; Host.objects.filter(name__in={NAMES}).delete()")


@pytest.fixture
def frozen(stack: Stack, hosts: list[FleetHost]) -> Iterator[Callable[[], None]]:
    """``frozen()`` stops bhost as a debugger would; afterwards it lives again."""
    yield hosts[1].freeze
    hosts[1].thaw()
    wait_until("it is back", lambda: stack.host("bhost")["state"] == "online", seconds=60, every=0.2)


def test_a_host_that_falls_silent_is_seen_in_list_page_and_tree(
    new_tab: Callable[..., Tab], stack: Stack, hosts: list[FleetHost], frozen: Callable[[], None]
) -> None:
    number = stack.host("bhost")["id"]
    in_list, on_page = new_tab(), new_tab()
    row = in_list.open("/hosts/").locator(f"#h{number}")
    head = on_page.open(f"/hosts/{number}/").locator(".wv-otitle")
    expect(row).to_contain_text("Online")
    with in_list.without_reload(), on_page.without_reload():
        frozen()
        expect(row).to_contain_text("Does not answer", timeout=20_000)
        expect(head).to_contain_text("Does not answer")
        expect(on_page.page.locator("#host-body .wv-note")).to_contain_text("What is shown is what was seen")
        expect(in_list.page.locator(".wv-tally")).to_contain_text("Not answering")
    assert stack.host("ahost")["state"] == "online"


def test_search_filter_and_order_stand_in_the_address(tab: Tab, hosts: list[FleetHost]) -> None:
    page = tab.open("/hosts/")
    with tab.without_reload():
        page.get_by_role("link", name="Machines").last.click()
        page.wait_for_url("**/hosts/?sort=-machines")
        # The order was the same before: what tells that the list came is its head.
        expect(page.locator("th[aria-sort=descending]")).to_contain_text("Machines")
        assert _shown(page) == ["ahost", "bhost", "chost"]
        page.get_by_role("link", name="Machines").last.click()
        wait_until("the fewest come first", lambda: _shown(page) == ["chost", "bhost", "ahost"])
        page.get_by_label("Search hosts").fill("bho")
        wait_until("one is left", lambda: _shown(page) == ["bhost"])
        page.get_by_role("link", name="Cards").click()
        expect(page.locator("table.is-grid")).to_be_visible()
    address = page.url
    assert "q=bho" in address
    assert "view=cards" in address
    page.goto(address)
    assert _shown(page) == ["bhost"]


def test_try_it_makes_a_machine_that_is_seen_at_once(tab: Tab, stack: Stack, hosts: list[FleetHost]) -> None:
    page = tab.open(f"/hosts/{stack.host('chost')['id']}/")
    with tab.without_reload():
        page.get_by_role("button", name="Try it").click()
        expect(page.locator("#host-body")).to_contain_text("All 1", timeout=20_000)
        expect(page.locator("#host-body table").first).to_contain_text("first-machine")
        expect(page.locator(".wv-tree")).to_contain_text("first-machine")


def test_fields_follow_the_chosen_way_and_errors_stand_at_theirs(tab: Tab) -> None:
    page = tab.open("/hosts/add/")
    expect(page.get_by_label("Address")).to_be_visible()
    _choose(page, "socket")
    expect(page.get_by_label("Address")).to_be_hidden()
    tab.tolerate("422")
    with tab.without_reload():
        page.get_by_label("Name").fill("a<b")
        page.get_by_role("button", name="Save and test").click()
        expect(page.locator("#id_name_error")).to_contain_text("“<”")
        expect(page.locator("#id_path_error")).to_contain_text("Give the path")
        expect(page.get_by_label("Name")).to_have_value("a<b")
        expect(page.locator("input[value=socket]")).to_be_checked()


def test_broken_step_is_shown_and_then_the_host_is_removed(tab: Tab, stack: Stack) -> None:
    page = tab.open("/hosts/add/")
    _choose(page, "socket")
    page.get_by_label("Name").fill("nowhere")
    page.get_by_label("Path of libvirt's socket").fill("/nonexistent/libvirt-sock")
    page.get_by_role("button", name="Save and test").click()
    expect(page.locator("#connection")).to_contain_text("It stops at libvirt", timeout=20_000)
    expect(page.locator(".wv-chk.is-block")).to_contain_text("Install and start libvirt there")
    assert stack.host("nowhere")["state"] == "new"
    page.get_by_role("button", name="More for nowhere").click()
    page.get_by_role("menuitem", name="Remove…").click()
    # The open tree may just be asking for the machines of the host that goes.
    tab.tolerate(r"404 .*/hosts/\d+/tree/")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("On the host nothing changes")
    dialog.get_by_role("textbox").fill("nowhere")
    dialog.get_by_role("button", name="Remove").click()
    page.wait_for_url("**/hosts/")
    expect(page.locator("tr", has_text="nowhere")).to_have_count(0)


def test_without_scripts(browser: Browser, stack: Stack, tab: Tab) -> None:
    """Signed in by `tab`'s fixtures; the same forms by POST and redirect."""
    context = browser.new_context(base_url=stack.url, storage_state=stack.browser_state, java_script_enabled=False)
    page = context.new_page()
    page.goto("/hosts/add/")
    page.locator("input[value=socket]").check()
    page.get_by_label("Name").fill("plain")
    page.get_by_role("button", name="Save and test").click()
    expect(page.locator("#id_path_error")).to_contain_text("Give the path")
    page.get_by_label("Path of libvirt's socket").fill("/nonexistent/plain")
    page.get_by_role("button", name="Save and test").click()
    page.wait_for_url("**/test/")
    page.goto(f"/hosts/{stack.host('plain')['id']}/remove/")
    page.get_by_role("textbox", name="type its name").fill("plain")
    page.get_by_role("button", name="Remove").click()
    page.wait_for_url("**/hosts/")
    expect(page.locator(".wv-note")).to_contain_text("plain was removed")
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_for_axe_to_find(new_tab: Callable[..., Tab], stack: Stack, hosts: list[FleetHost], theme: str) -> None:
    tab, number = new_tab(color_scheme=theme), stack.host("ahost")["id"]
    for path in (
        "/hosts/",
        "/hosts/?view=cards",
        f"/hosts/{number}/",
        f"/hosts/{number}/test/",
        f"/hosts/{number}/log/",
        f"/hosts/{number}/edit/",
        "/hosts/add/",
    ):
        tab.open(path)
        assert tab.violations() == [], path


def _choose(page: Page, kind: str) -> None:
    page.locator("label.wv-src", has=page.locator(f"input[value={kind}]")).click()


def _shown(page: Page) -> list[str]:
    names: list[str] = page.locator("#hosts tbody th a").all_inner_texts()
    return [name for name in names if name in NAMES]
