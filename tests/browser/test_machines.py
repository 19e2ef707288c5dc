"""Machines in a real browser on the real stack: what one does and what others do is seen at once, and no page is loaded twice."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.kit import Tab
from tests.lab.fleet import Fleet, FleetHost
from tests.stack import Stack
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def hosts(stack: Stack, fleet: Callable[[int], Fleet]) -> Iterator[list[FleetHost]]:
    """Two hosts of 35 machines each, the first 20 of each running: thost1-m000 …; more than a page in all."""
    few = fleet(2)
    few.populate(35, running=20)
    stack.add_hosts({host.name: host.uri for host in few.hosts})
    wait_until("all machines are known", lambda: stack.machine("thost2-m034"), seconds=30, every=0.2)
    yield few.hosts
    stack.manage("shell", "-c", "from hosts.models import Host; Host.objects.filter(name__startswith='thost').delete()")


@pytest.fixture
def machine(stack: Stack, hosts: list[FleetHost]) -> Iterator[dict[str, Any]]:
    """One that is off."""
    yield stack.machine("thost1-m030")
    with _domain(hosts[0], "thost1-m030") as domain:
        if domain.isActive():
            domain.destroy()


# ── the list ──


def test_started_from_its_row_it_turns_running(tab: Tab, machine: dict[str, Any]) -> None:
    page = tab.open("/machines/?q=thost1-m03")
    row = _row(page, machine["name"])
    expect(row).to_contain_text("Off")
    with tab.without_reload():
        row.get_by_role("link", name=f"Power of {machine['name']}").click()
        page.get_by_role("dialog").get_by_role("button", name="Start").click()
        expect(row).to_have_attribute("data-state", "running")
        expect(row).to_contain_text("Running")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator(".wv-tally")).to_contain_text(re.compile(r"1\s*Running"))


def test_what_somebody_else_does_is_seen_in_every_open_page(new_tab: Callable[..., Tab], hosts: list[FleetHost], machine: dict[str, Any]) -> None:
    in_list, on_page, on_start = new_tab(), new_tab(), new_tab()
    row = _row(in_list.open("/machines/?q=thost1-m03"), machine["name"])
    head = on_page.open(f"/machines/{machine['id']}/").locator(".wv-otitle")
    running = on_start.open("/").locator(".wv-kpis li").first
    before = int(re.findall(r"(\d+)\s*running", running.inner_text().replace("\n", " "))[0])
    with in_list.without_reload(), on_page.without_reload(), on_start.without_reload():
        with _domain(hosts[0], machine["name"]) as domain:
            domain.create()
        expect(row).to_have_attribute("data-state", "running")
        expect(head).to_contain_text("Running")
        expect(running).to_contain_text(re.compile(rf"{before + 1}\s*running"))
        with _domain(hosts[0], machine["name"]) as domain:
            domain.suspend()
        expect(row).to_contain_text("Paused")
        expect(head).to_contain_text("Paused")
        expect(on_page.page.locator("#power").get_by_role("button", name="Resume").first).to_be_visible()


def test_machines_come_get_a_name_and_go(tab: Tab, hosts: list[FleetHost]) -> None:
    page = tab.open("/machines/?q=passing")
    expect(page.get_by_role("heading", name="No machine matches")).to_be_visible()
    foot = page.locator(".wv-side-foot")
    known = int(re.search(r"(\d+) machines", foot.inner_text())[1])  # type: ignore[index]
    with tab.without_reload(), hosts[0].connection() as connection:
        domain = connection.defineXML("<domain type='test'><name>passing-by</name><memory>1024</memory><os><type>hvm</type></os></domain>")
        expect(_row(page, "passing-by")).to_contain_text("Off")
        expect(foot).to_contain_text(f"{known + 1} machines")
        domain.rename("passing-through")
        expect(_row(page, "passing-through")).to_be_visible()
    _row(page, "passing-through").get_by_role("link", name="passing-through", exact=True).click()
    page.wait_for_url("**/machines/*/")
    tab.wait_live()
    with tab.without_reload():
        with _domain(hosts[0], "passing-through") as domain:
            domain.undefine()
        expect(page.get_by_text("does not have this machine any more")).to_be_visible()
        expect(page.locator("#power")).to_have_count(0)


def test_many_at_once_each_with_its_result(tab: Tab, stack: Stack, hosts: list[FleetHost]) -> None:
    page = tab.open("/machines/?q=thost2-m02&q2=")
    rows = page.locator("tr[data-topic^='machine:']")
    expect(rows).to_have_count(10)
    with tab.without_reload():
        page.get_by_role("checkbox", name="Select all on this page").check()
        bar = page.get_by_role("toolbar")
        expect(bar).to_contain_text("10 selected")
        page.get_by_role("checkbox", name="Select thost2-m029").uncheck()
        page.get_by_role("checkbox", name="Select thost2-m028").uncheck()
        bar.get_by_role("button", name="Start").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading", name="Start: 8 machines")).to_be_visible()
        expect(dialog).to_contain_text("8 of 8 ended", timeout=30_000)
        expect(dialog.get_by_role("link", name="thost2-m021")).to_be_visible()
        dialog.get_by_role("link", name="Close").click()
        expect(dialog).to_have_count(0)
        expect(rows.and_(page.locator("[data-state=running]"))).to_have_count(8)
        # All are on but two: the same again is refused for each by name.
        page.get_by_role("checkbox", name="Select all on this page").check()
        bar.get_by_role("button", name="Start").click()
        expect(dialog).to_contain_text("8 refused")
        expect(dialog.locator("li").filter(has_text="thost2-m020")).to_contain_text("It is on already.")
    for number in range(20, 30):
        with _domain(hosts[1], f"thost2-m{number:03d}") as domain:
            if domain.isActive():
                domain.destroy()


def test_results_that_come_late_are_true_all_the_same(tab: Tab, hosts: list[FleetHost]) -> None:
    """The jobs have ended before their list is in the page: nothing will tell it so any more."""
    page = tab.open("/machines/?q=thost1-m000")

    def late(route: Route) -> None:
        answer = route.fetch()
        time.sleep(2)
        route.fulfill(response=answer)

    page.route("**/machines/power/", late)
    page.locator("tbody .c-sel input").first.check()
    page.get_by_role("toolbar").get_by_role("button", name="Reboot").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 of 1 ended")


def test_all_of_a_filter_is_asked_back(tab: Tab, hosts: list[FleetHost]) -> None:
    page = tab.open("/machines/?f=host:thost")
    with tab.without_reload():
        page.locator("tbody .c-sel input").first.check()
        page.get_by_role("button", name="Select all 70").click()
        page.get_by_role("toolbar").get_by_role("button", name="More actions").click()
        page.get_by_role("menuitem", name="Force off").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading", name="Force off: 70 machines?")).to_be_visible()
        expect(dialog).to_contain_text("unsaved work in the guest is lost")
        dialog.get_by_role("link", name="Cancel").click()
        expect(dialog).to_have_count(0)
    with _domain(hosts[0], "thost1-m000") as domain:
        assert domain.isActive()


def test_the_filter_is_in_the_address(tab: Tab, hosts: list[FleetHost]) -> None:
    page = tab.open("/machines/")
    box = page.get_by_role("searchbox", name="Find machines")
    with tab.without_reload():
        box.press_sequentially("m00", delay=20)
        expect(page.locator("tbody tr")).to_have_count(20)
        expect(page).to_have_url(re.compile(r"\?q=m00$"))
        box.fill("")
        box.press_sequentially("host:thost1", delay=10)
        box.press("Enter")
        expect(page.locator(".wv-chip")).to_contain_text("thost1")
        expect(box).to_have_value("")
        expect(box).to_be_focused()
        page.get_by_role("link", name=re.compile("20 Running")).click()
        expect(page.locator(".wv-chip")).to_have_count(2)
        expect(page.locator("tbody tr")).to_have_count(20)
        page.get_by_role("columnheader", name="Name").get_by_role("link").click()
        expect(page.locator("tbody th a").first).to_have_text("thost1-m019")
    address = page.url
    assert "f=host%3Athost1&f=state%3Arunning&sort=-name" in address
    page.goto(address)
    expect(page.locator("tbody th a").first).to_have_text("thost1-m019")
    tab.wait_live()
    with tab.without_reload():
        page.get_by_role("searchbox", name="Find machines").focus()
        page.keyboard.press("Backspace")
        expect(page.locator(".wv-chip")).to_have_count(1)
        page.go_back()
        expect(page.locator(".wv-chip")).to_have_count(2)


def test_columns_are_kept_and_pages_turn(tab: Tab, hosts: list[FleetHost]) -> None:
    page = tab.open("/machines/?f=host:thost")
    with tab.without_reload():
        page.get_by_role("button", name="Choose columns").click()
        page.get_by_role("checkbox", name="UUID").check()
        expect(page.get_by_role("columnheader", name="UUID")).to_be_visible()
        page.keyboard.press("Escape")
        page.get_by_role("link", name="Next page").click()
        expect(page.get_by_text("Page 2 of 2")).to_be_visible()
        expect(page.locator("tbody tr")).to_have_count(20)
    page.goto("/machines/")
    expect(page.get_by_role("columnheader", name="UUID")).to_be_visible()


def test_everything_by_keyboard(tab: Tab, hosts: list[FleetHost]) -> None:
    page = tab.open("/machines/?f=host:thost1")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name="Select thost1-m001")).to_be_checked()
    page.keyboard.press("Escape")
    expect(page.get_by_role("checkbox", name="Select thost1-m001")).not_to_be_checked()
    page.keyboard.press("/")
    page.keyboard.type("start thost1-m03", delay=10)
    option = page.get_by_role("option", name="Start thost1-m031")
    expect(option).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/power/\?action=start"))
    tab.wait_live()
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_url(re.compile(r"/machines/\d+/$"))
    more = page.get_by_role("button", name="More power actions")
    more.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem").first).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("menuitem").last).to_be_focused()
    page.keyboard.press("Escape")
    expect(more).to_be_focused()


def test_lists_by_numbers_look_again_by_themselves(tab: Tab, hosts: list[FleetHost]) -> None:
    """Averages are written without a fact: an order by them would grow old."""
    page = tab.page
    page.clock.install()
    page.goto("/machines/?f=host:thost1")
    page.get_by_role("columnheader", name="CPU").get_by_role("link").click()
    expect(page.locator("wv-rows")).to_have_attribute("every", "60000")
    before = len(tab.requests)
    page.clock.fast_forward(61_000)
    wait_until("the list is fetched again", lambda: page.wait_for_timeout(50) or any("/machines/?f=host" in asked for asked in tab.requests[before:]))


# ── one machine ──


def test_the_focused_button_follows_the_state(tab: Tab, hosts: list[FleetHost], machine: dict[str, Any]) -> None:
    """One hand on the keyboard: start, shut down, start, without moving the focus. The button must do what it says."""
    page = tab.open(f"/machines/{machine['id']}/")
    with tab.without_reload():
        page.locator("#power").get_by_role("button", name="Start", exact=True).focus()
        for word, state in (("Shut down", "Running"), ("Start", "Off"), ("Shut down", "Running")):
            page.keyboard.press("Enter")
            expect(page.locator(".wv-otitle")).to_contain_text(state, timeout=10_000)
            expect(page.locator("#power .btn").first).to_have_text(word)
            expect(page.locator("#power .btn").first).to_be_focused()
            expect(page.locator(".wv-now")).to_have_count(0)


def test_refused_where_it_was_asked(tab: Tab, hosts: list[FleetHost], machine: dict[str, Any]) -> None:
    page = tab.open(f"/machines/{machine['id']}/power/?action=start")
    with tab.without_reload():
        with _domain(hosts[0], machine["name"]) as domain:
            domain.create()
        expect(page.locator(".wv-otitle")).to_contain_text("Running")
        tab.tolerate("409")
        page.locator("main").get_by_role("button", name="Start", exact=True).click()
        expect(page.locator("main .body [data-errors]")).to_contain_text("It is on already.")


def test_force_off_says_what_is_lost_once_shutting_down_was_tried(tab: Tab, hosts: list[FleetHost], machine: dict[str, Any]) -> None:
    with _domain(hosts[0], machine["name"]) as domain:
        domain.create()
    page = tab.open(f"/machines/{machine['id']}/")
    with tab.without_reload():
        expect(page.locator(".wv-otitle")).to_contain_text("Running")
        page.get_by_role("button", name="More power actions").click()
        item = page.get_by_role("menuitem", name="Reset…")
        expect(page.get_by_role("menuitem", name="Force off")).to_contain_text("Shut it down first")
        item.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("unsaved work in the guest is lost")
        expect(dialog).to_contain_text(f"{machine['name']}.qcow2")
        dialog.get_by_role("link", name="Cancel").click()
        expect(dialog).to_have_count(0)


def test_notes_of_two_people(new_tab: Callable[..., Tab], machine: dict[str, Any]) -> None:
    first, second = new_tab(), new_tab()
    for each in (first, second):
        each.open(f"/machines/{machine['id']}/").get_by_role("link", name=re.compile("Write|Edit")).click()
    with first.without_reload(), second.without_reload():
        _write(first.page, "**First** was here")
        expect(first.page.get_by_role("dialog")).to_have_count(0)
        expect(first.page.locator(".wv-md strong")).to_have_text("First")
        expect(second.page.locator(".wv-md strong")).to_have_text("First")
        second.tolerate("409")
        _write(second.page, "Second too")
        dialog = second.page.get_by_role("dialog")
        expect(dialog).to_contain_text("Somebody changed the notes while you were writing.")
        expect(dialog.get_by_role("textbox", name="Notes")).to_have_value("Second too")
        dialog.get_by_role("button", name="Replace with mine").click()
        expect(first.page.locator(".wv-md")).to_have_text("Second too")


def test_autostart_is_a_switch(tab: Tab, hosts: list[FleetHost], machine: dict[str, Any]) -> None:
    page = tab.open(f"/machines/{machine['id']}/")
    switch = page.get_by_role("switch")
    with tab.without_reload():
        expect(switch).not_to_be_checked()
        switch.press("Space")
        expect(switch).to_be_checked()
        with _domain(hosts[0], machine["name"]) as domain:
            assert domain.autostart()
        expect(page.locator(".wv-now")).to_have_count(0)
        switch.click()
        expect(switch).not_to_be_checked()
        with _domain(hosts[0], machine["name"]) as domain:
            assert not domain.autostart()


def test_the_screen_is_shown_while_it_runs(tab: Tab, hosts: list[FleetHost], machine: dict[str, Any]) -> None:
    page = tab.open(f"/machines/{machine['id']}/")
    expect(page.locator("wv-screen")).to_contain_text("No picture: it is off.")
    with tab.without_reload():
        with _domain(hosts[0], machine["name"]) as domain:
            domain.create()
        picture = page.locator("wv-screen img")
        expect(picture).to_be_visible(timeout=10_000)
        wait_until("the picture is drawn", lambda: picture.evaluate("image => image.naturalWidth") > 0)


def test_history_grows_while_one_looks(tab: Tab, hosts: list[FleetHost], machine: dict[str, Any]) -> None:
    page = tab.open(f"/machines/{machine['id']}/history/")
    with tab.without_reload():
        before = page.locator("#machine-history .wv-time li").count()
        with _domain(hosts[0], machine["name"]) as domain:
            domain.create()
        wait_until("the start is in the history", lambda: page.locator("#machine-history .wv-time li").count() > before)
        page.get_by_role("link", name="Show").click()
        expect(page.get_by_role("dialog")).to_contain_text(f"<name>{machine['name']}</name>")


def test_a_silent_host_is_told_and_comes_back(tab: Tab, hosts: list[FleetHost]) -> None:
    page = tab.open("/machines/?f=host:thost2")
    with tab.without_reload():
        hosts[1].freeze()
        try:
            expect(_row(page, "thost2-m000")).to_contain_text("Seen", timeout=30_000)
            expect(_row(page, "thost2-m000")).to_have_class("is-stale")
        finally:
            hosts[1].thaw()
        expect(_row(page, "thost2-m000")).to_contain_text("Running", timeout=30_000)


# ── helpers ──


def _row(page: Page, name: str) -> Locator:
    return page.locator("tr[data-topic^='machine:']").filter(has=page.get_by_role("link", name=name, exact=True))


def _write(page: Page, text: str) -> None:
    page.get_by_role("dialog").get_by_role("textbox", name="Notes").fill(text)
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Save|Replace")).click()


class _domain:
    """A machine by libvirt itself, past the portal: as virsh would."""

    def __init__(self, host: FleetHost, name: str) -> None:
        self._connected, self._name = host.connection(), name

    def __enter__(self) -> Any:
        return self._connected.__enter__().lookupByName(self._name)

    def __exit__(self, *failure: Any) -> None:
        self._connected.__exit__(*failure)
