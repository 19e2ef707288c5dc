"""Snapshots as a person takes, sees, goes back to and deletes them: in a real browser, on real QEMU, without loading the page again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser import kit
from tests.browser.kit import Tab
from tests.lab.lab import Lab
from tests.lab.snapshots.guest import Writing
from tests.stack import Stack

pytestmark = pytest.mark.usefixtures("online")


def test_tree_take_revert_delete(stack: Stack, lab: Lab, tab: Tab, new_tab: Callable[..., Tab]) -> None:
    it = Writing.make(stack, lab["h1"], "page", None)
    page = tab.open(f"/machines/{it.number}/snapshots/")
    expect(page.get_by_text("No snapshots.")).to_be_visible()
    assert tab.violations() == []
    with tab.without_reload():
        _take(page, "installed", description="As it came")
        expect(page.get_by_role("listitem").filter(has_text="You are here")).to_be_visible()
        expect(page.get_by_role("link", name="Snapshots 1")).to_be_visible()
        expect(page.locator(".wv-snd")).to_contain_text("As it came")
        assert tab.violations() == []

        # What can't be is said where it was typed, and what was typed stays.
        tab.tolerate("status of 400")
        dialog = _dialog(page, "Take snapshot")
        dialog.get_by_label("Name").fill("../etc")
        dialog.get_by_role("button", name="Take snapshot").click()
        expect(dialog.get_by_text("beginning with a letter or digit")).to_be_visible()
        expect(dialog.get_by_label("Name")).to_have_value("../etc")
        assert tab.violations() == []
        page.keyboard.press("Escape")

        _take(page, "second")
        page.get_by_role("link", name="installed").click()
        expect(page.locator(".wv-snd h2")).to_have_text("installed")
        dialog = _dialog(page, "Revert to this…")
        expect(dialog).to_contain_text("All that was written since it was taken")
        assert tab.violations() == []
        dialog.get_by_label("Take a snapshot of now first").uncheck()
        dialog.get_by_role("button", name="Revert").click()
        expect(page.locator(".wv-sntree > li > .wv-sn").nth(1)).to_contain_text("You are here", timeout=30_000)
        expect(page.locator(".wv-sntree ul")).to_contain_text("second")

        dialog = _dialog(page, "Edit the description")
        dialog.get_by_label("Description").fill("As it came, patched")
        dialog.get_by_role("button", name="Save").click()
        expect(page.locator(".wv-snd")).to_contain_text("As it came, patched", timeout=20_000)

        dialog = _dialog(page, "Delete…")
        dialog.get_by_label("Delete the one that came after it as well").check()
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("No snapshots.")).to_be_visible(timeout=30_000)

    phone = new_tab(viewport=kit.PHONE)
    narrow = phone.open(f"/machines/{it.number}/snapshots/new/")
    assert narrow.evaluate("document.documentElement.scrollWidth") <= kit.PHONE["width"]
    assert phone.violations() == []


def test_many_at_once(stack: Stack, lab: Lab, tab: Tab) -> None:
    """From the list: each machine gets the kind that suits it, and each tells how it went."""
    inside = Writing.make(stack, lab["h2"], "many-snaps", None)
    diskless = Writing.make(stack, lab["h2"], "many-saved", None, start=True)
    diskless.guest.host.virsh("managedsave", diskless.guest.uuid)
    page = tab.open("/machines/?q=many-s")
    with tab.without_reload():
        expect(page.locator("tr").filter(has_text="many-saved")).to_contain_text("Saved", timeout=20_000)
        for name in ("many-snaps", "many-saved"):
            page.get_by_role("checkbox", name=f"Select {name}").check()
        page.get_by_role("button", name="More actions").click()
        page.get_by_role("menuitem", name="Take snapshots").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("nightly")
        assert tab.violations() == []
        dialog.get_by_role("button", name="Take snapshots").click()
        expect(dialog).to_contain_text("1 refused")
        expect(dialog).to_contain_text("Its memory is saved")
        expect(dialog).to_contain_text("1 of 1 ended", timeout=30_000)
    assert inside.names == {"nightly"} or inside.names == set()  # the watcher reads it in a moment


def _take(page: Page, name: str, *, description: str = "") -> None:
    dialog = _dialog(page, "Take snapshot")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Description").fill(description)
    dialog.get_by_role("button", name="Take snapshot").click()
    expect(page.locator(".wv-sntree").get_by_role("link", name=name)).to_be_visible(timeout=30_000)


def _dialog(page: Page, opener: str):  # type: ignore[no-untyped-def]
    page.locator("#snapshots").get_by_role("link", name=opener).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog
