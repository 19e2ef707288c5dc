"""Jobs, people, one's own account and signing in, in a real browser on the real stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import kit
from tests.browser.kit import Tab
from tests.lab.fleet import Fleet
from tests.stack import Credentials, Stack
from tests.waiting import wait_until

PASSWORD = "correct horse 7 battery"


@pytest.fixture(scope="module")
def machine(stack: Stack, fleet: Callable[[int], Fleet]) -> Iterator[dict[str, Any]]:
    """One of three that are off, on a host of its own."""
    one = fleet(1)
    one.populate(3, running=0)
    stack.add_hosts({"jobhost": one.hosts[0].uri})
    yield wait_until("the machines are known", lambda: stack.machine("thost1-m001"), seconds=30, every=0.2)
    stack.manage("shell", "-c", "from hosts.models import Host; Host.objects.filter(name='jobhost').delete()")


@pytest.fixture(scope="module")
def ann(stack: Stack) -> Credentials:
    person = Credentials("ann", PASSWORD)
    stack.add_person(person, role="viewer")
    return person


def person_id(stack: Stack, name: str) -> int:
    return int(stack.rows("SELECT id FROM accounts_user WHERE username = ?", name)[0]["id"])


# ── jobs ──


def test_a_job_runs_through_every_open_page(new_tab: Callable[..., Tab], stack: Stack, machine: dict[str, Any]) -> None:
    in_drawer, in_list = new_tab(), new_tab()
    drawer = in_drawer.open("/people/").locator("#jobs")
    drawer.locator("[data-fold]").click()
    rows = in_list.open("/jobs/?about=jobhost").locator("#joblist tbody tr")
    with in_drawer.without_reload(), in_list.without_reload():
        before = rows.count()
        job = stack.api.request("PUT", f"machines/{machine['id']}/power", {"action": "start"}).body
        line = drawer.locator(f"#j{job['id']}")
        expect(line).to_contain_text(f"Start {machine['name']}")
        expect(line).to_have_class(re.compile("is-ok"))
        expect(line).to_contain_text("Done in")
        expect(rows).to_have_count(before + 1)
        expect(in_list.page.locator(f"#joblist #j{job['id']}")).to_contain_text("Done")
    line.get_by_role("link", name=f"Start {machine['name']}", exact=True).click()
    expect(in_drawer.page.locator(".wv-joblog")).to_contain_text("Starting")
    expect(in_drawer.page.locator("#job .wv-dl")).to_contain_text(stack.administrator.name)


def test_the_list_follows_what_is_typed_and_the_address_follows_the_list(tab: Tab, machine: dict[str, Any], stack: Stack) -> None:
    page = tab.open("/jobs/")
    with tab.without_reload():
        page.get_by_placeholder("Machine or host").fill("no such thing")
        expect(page.get_by_role("heading", name="No job fits")).to_be_visible()
        assert "about=no+such+thing" in page.url
        page.get_by_role("link", name="Show all jobs").click()
        expect(page.locator("#joblist tbody tr").first).to_be_visible()
        page.locator("#joblist").get_by_role("link", name=re.compile("^Failed")).click()
        page.wait_for_url(re.compile(r"state=failed"))
        page.go_back()
        expect(page.locator("#joblist nav [aria-current]")).to_contain_text("All")


# ── people ──


def test_a_role_is_found_given_and_heard_of_at_once(new_tab: Callable[..., Tab], browser: Browser, stack: Stack, machine: dict[str, Any]) -> None:
    person = Credentials("newcomer", PASSWORD)
    page = new_tab().open("/people/add/")
    page.get_by_label("User name").fill(person.name)
    page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name=person.name)).to_be_visible()

    theirs = kit.Tab(browser, stack, kit.sign_in(browser, stack, person))
    try:
        rows = theirs.open("/machines/").locator("tbody tr")
        expect(rows).to_have_count(0)
        page.get_by_role("link", name="A machine", exact=True).click()
        page.get_by_placeholder("Search by name or address").fill(machine["name"])
        page.locator("#grant").get_by_role("radio", name=re.compile(machine["name"])).check()
        page.locator("#id_role").select_option("10")
        with theirs.without_reload():
            page.get_by_role("button", name="Give").click()
            expect(rows).to_have_count(1)
            expect(rows).to_contain_text(machine["name"])
            page.get_by_role("button", name=re.compile("^Withdraw")).click()
            expect(rows).to_have_count(0)
            page.get_by_role("button", name="Disable").click()
            page.get_by_role("dialog").get_by_role("button", name="Disable").click()
            expect(theirs.page.get_by_text("You are signed out. What you see is old.")).to_be_visible(timeout=2_000)
    finally:
        theirs.tolerate("401|403|WebSocket")
        theirs.close()


def test_a_new_password_keeps_ones_own_pages_alive(browser: Browser, stack: Stack, ann: Credentials) -> None:
    state = kit.sign_in(browser, stack, ann)
    tab = kit.Tab(browser, stack, state)
    try:
        page = tab.open("/account/")
        other = page.context.new_page()
        other.goto("/jobs/")
        other.wait_for_function("() => document.getElementById('wv-link')?.dataset.link === 'on'")
        page.get_by_label("Present password").fill(PASSWORD)
        page.get_by_label("New password").fill("another long one 5")
        page.get_by_label("The same again").fill("another long one 5")
        page.get_by_role("button", name="Change it").click()
        expect(page.get_by_text("Your password is changed.")).to_be_visible()
        other.wait_for_timeout(1_500)
        other.wait_for_function("() => document.getElementById('wv-link')?.dataset.link === 'on'")
        assert not other.locator("#wv-signed-out").is_visible()
    finally:
        tab.close()


def test_a_token_is_made_copied_and_revoked(tab: Tab, stack: Stack) -> None:
    page = tab.open("/account/")
    page.get_by_label("What it is for").fill("a program")
    page.get_by_role("button", name="Make a token").click()
    text = page.locator("#fresh-token").inner_text()
    assert text.startswith("wv_")
    page.goto("/account/")
    expect(page.locator("#fresh-token")).to_have_count(0)
    page.get_by_role("row", name=re.compile("a program")).get_by_role("button", name=re.compile("Revoke")).click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The token a program is revoked.")).to_be_visible()


# ── looks ──

PAGES = [
    "/jobs/",
    "/jobs/?state=failed&about=nothing",
    "/people/",
    "/people/add/",
    "/people/{person}/",
    "/people/{person}/?scope=machine&q=m",
    "/people/audit/",
    "/people/audit/?check=1",
    "/account/",
    "/api/v1/docs",
    "/jobs/{job}/",
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [kit.DESKTOP, kit.PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    new_tab: Callable[..., Tab], stack: Stack, ann: Credentials, machine: dict[str, Any], scheme: str, viewport: Any
) -> None:
    job = stack.power("thost1-m002", "start" if scheme == "light" else "force-off")
    stack.wait_job(job)
    tab = new_tab(viewport=viewport, color_scheme=scheme)
    for path in PAGES:
        page = tab.open(path.format(person=person_id(stack, ann.name), job=job))
        page.wait_for_timeout(300)  # the drawer comes by itself
        assert tab.violations() == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path


def test_pages_outside_the_frame_are_clean_too(browser: Browser, stack: Stack) -> None:
    tab = kit.Tab(browser, stack, None)
    tab.tolerate("404|410")
    try:
        for path in ("/account/login/", "/account/setup/made-up/"):
            tab.page.goto(path)
            assert tab.violations() == [], path
        tab.page.goto("/account/login/?next=/jobs/")
        tab.page.fill("input[name=login]", "administrator")
        tab.page.fill("input[name=password]", "wrong")
        tab.page.click("button[type=submit]")
        expect(tab.page.get_by_role("alert")).to_contain_text("The name or the password is not right.")
        expect(tab.page.locator("input[name=login]")).to_have_value("administrator")
        assert tab.violations() == []
        tab.page.fill("input[name=password]", stack.administrator.password)
        tab.page.click("button[type=submit]")
        tab.page.wait_for_url(re.compile("/jobs/$"))
        tab.page.goto("/no/such/page/")
        assert tab.violations() == []
    finally:
        tab.close()
