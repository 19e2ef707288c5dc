"""From the page to a guest that answers, with the real workers. Whoever dies meanwhile: test_killed.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.kit import PHONE, Tab
from tests.lab.creation.conftest import POOL, stock
from tests.lab.fleet import Fleet
from tests.lab.lab import Guest, Host, Lab
from tests.stack import Stack
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def stack(lab: Lab, fleet: Callable[[int], Fleet], shapes: dict[str, Path]) -> Iterator[Stack]:
    """One of its own: it follows two hosts with pools and two daemons of the test driver."""
    stack = Stack.start()
    for name in ("h1", "h2"):
        stock(lab[name], {"tiny.qcow2": shapes["tiny.qcow2"], "tiny.iso": shapes["tiny.iso"]})
    stack.add_hosts({name: lab[name].uri for name in ("h1", "h2")} | {host.name: host.uri for host in fleet(2).hosts})
    wait_until("pools are seen", lambda: len(stack.rows("SELECT * FROM storage_volume")) >= 4 or _no(), seconds=60, every=0.3)
    wait_until("the fleet's too", lambda: len(stack.rows("SELECT * FROM storage_pool WHERE name = 'default-pool'")) == 2 or _no(), seconds=90, every=0.3)
    wait_until("offers are seen", lambda: len(stack.rows("SELECT * FROM devices_hostcapabilities")) >= 2 or _no(), seconds=120, every=0.3)
    yield stack
    stack.stop()


def test_a_cloud_image_from_the_page_to_the_guest(stack: Stack, lab: Lab, new_tab: Callable[..., Tab]) -> None:
    tab = new_tab()
    page = tab.open(f"/machines/new/?host={stack.host('h1')['id']}&source=iso")
    with tab.without_reload():
        page.get_by_text("Cloud image", exact=True).click()
        expect(page.get_by_text("First start")).to_be_visible()
        page.select_option("[name=volume]", f"{POOL}/tiny.qcow2")
        page.get_by_label("Memory, GiB").fill("0.19")
        page.get_by_label("Name", exact=True).fill("from-the-page")
        page.get_by_label("User", exact=True).fill("anna")
        page.get_by_label("Password").fill("very secret")
        page.locator("[name=disk_size]").fill("1")
        page.get_by_text("Advanced").click()
        page.get_by_label("Virtualisation").select_option("qemu")
        expect(page.get_by_text("Emulated, without KVM.")).to_be_visible()
        expect(page.get_by_text("It can be made")).to_be_visible()
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("pre.wv-xml")).to_contain_text("from-the-page")
        assert page.get_by_label("Password").input_value() == "very secret"
        assert tab.violations() == []
    page.get_by_role("button", name="Create and start").click()
    page.get_by_role("link", name="Open it").click(timeout=60_000)
    tab.wait_live()
    expect(page.get_by_role("heading", name="from-the-page")).to_be_visible()
    row = stack.machine("from-the-page")
    guest = Guest(lab["h1"], "from-the-page", row["uuid"])
    guest.wait_for_agent(seconds=120)
    wait_until("its name is the seed's", lambda: "from-the-page" in guest.host.virsh("guestinfo", guest.uuid, "--hostname"), seconds=30)
    assert not any("very secret" in str(value) for job in stack.rows("SELECT * FROM jobs_job") for value in job.values())
    _delete_from_the_page(tab, stack, guest)


def test_an_image_is_uploaded_from_the_page(stack: Stack, lab: Lab, shapes: dict[str, Path], new_tab: Callable[..., Tab], tmp_path: Path) -> None:
    """From a file of the browser's to a guest that answers, on one page: what was typed before stays, the image is offered once it is there."""
    tab, file = new_tab(), tmp_path / "brought.qcow2"
    file.write_bytes(shapes["tiny.qcow2"].read_bytes())
    page = tab.open(f"/machines/new/?host={stack.host('h1')['id']}&source=image")
    with tab.without_reload():
        page.get_by_label("Name", exact=True).fill("uploaded")
        page.get_by_label("Memory, GiB").fill("0.19")
        page.get_by_text("Advanced").click()
        page.get_by_label("Virtualisation").select_option("qemu")
        page.get_by_role("link", name="Upload").click()
        dialog = page.get_by_role("dialog")
        option = dialog.locator("#upload-pool option").filter(has_text=re.compile(f"h1 · {POOL} "))
        dialog.get_by_label("Pool").select_option(value=str(option.get_attribute("value")))
        dialog.locator("[data-drop] input[type=file]").set_input_files(file)
        expect(dialog.locator("[data-says]").first).to_contain_text("Done", timeout=60_000)
        assert tab.violations() == []
        dialog.get_by_role("link", name="Close").click()
        expect(page.locator(f'[name=volume] option[value="{POOL}/brought.qcow2"]')).to_have_count(1, timeout=60_000)
        expect(page.get_by_label("Name", exact=True)).to_have_value("uploaded")
        page.select_option("[name=volume]", f"{POOL}/brought.qcow2")
        expect(page.get_by_text("It can be made")).to_be_visible()
    page.get_by_role("button", name="Create and start").click()
    page.get_by_role("link", name="Open it").click(timeout=60_000)
    guest = Guest(lab["h1"], "uploaded", stack.machine("uploaded")["uuid"])
    guest.wait_for_agent(seconds=120)
    guest.host.virsh("destroy", "uploaded")


def _delete_from_the_page(tab: Tab, stack: Stack, guest: Guest) -> None:
    page = tab.page
    page.get_by_role("button", name="More for this machine").click()
    page.get_by_role("menuitem", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It is running.")).to_be_visible()
    assert tab.violations() == []
    dialog.get_by_label("Force it off first").check()
    dialog.get_by_label("Type from-the-page").fill("from-the-page")
    dialog.get_by_role("button", name="Delete").click()
    wait_until("it is gone", lambda: "from-the-page" not in guest.host.virsh("list", "--all", "--name") or _no(), seconds=30)
    wait_until("its disks are gone", lambda: not any("from-the-page" in name for name in _files(guest.host)) or _no(), seconds=30)


def test_on_a_phone(stack: Stack, new_tab: Callable[..., Tab]) -> None:
    tab = new_tab(viewport=PHONE)
    page = tab.open("/machines/new/?source=cloud")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.violations() == []


def test_a_hundred_by_one_call_with_a_result_each(stack: Stack) -> None:
    """Spread over two daemons of libvirt's test driver, which alone have that pool; tests/bench/creation.py does a thousand over twenty."""
    machine = {
        "name": "web-{001..100}",
        "vcpus": 1,
        "memory_bytes": 2**26,
        "disks": [{"pool": "default-pool", "size_bytes": 2**20}],
        "nics": [{"source": "default"}],
    }
    answer = stack.api.request("POST", "machines", {"machines": [machine, {"name": "nowhere", "disks": [{"pool": "no-such-pool", "size_bytes": 2**20}]}]})
    assert answer.status == 202, answer
    *made, refused = answer.body
    assert "no-such-pool" in refused["refused"]
    assert {one["host_name"] for one in made} == {"thost1", "thost2"}
    running = "SELECT * FROM machines_machine WHERE state = 'running' AND name LIKE 'web-%'"
    wait_until("all of them run", lambda: len(stack.rows(running)) == 100 or _no(), seconds=120, every=0.5)
    uuids = {row["uuid"] for row in stack.rows(running)}
    assert uuids == {one["uuid"] for one in made}


def _files(host: Host) -> set[str]:
    host.virsh("pool-refresh", POOL)
    return set(host.virsh("vol-list", POOL).split())


def _no() -> None:
    raise AssertionError("not yet")
