"""What somebody does with virsh is seen in an open page, at once and without loading it again."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.kit import Tab
from tests.lab.guests import Recipe
from tests.lab.lab import Lab

pytestmark = pytest.mark.usefixtures("online")


def test_life_of_a_machine_in_the_list(tab: Tab, lab: Lab) -> None:
    host = lab["h1"]
    page = tab.open("/machines/")
    row = page.locator("tr[data-topic^='machine:']")
    with tab.without_reload():
        guest = host.define(Recipe("by-virsh"))
        mine = row.filter(has_text="by-virsh")
        expect(mine).to_have_attribute("data-state", "off")

        host.virsh("start", guest.uuid)
        expect(mine).to_have_attribute("data-state", "running")

        host.virsh("suspend", guest.uuid)
        expect(mine).to_have_attribute("data-state", "paused")

        host.virsh("destroy", guest.uuid)
        expect(mine).to_have_attribute("data-state", "off")

        host.virsh("domrename", guest.uuid, "renamed-by-virsh")
        expect(row.filter(has_text="renamed-by-virsh")).to_have_attribute("data-state", "off")

        host.virsh("undefine", guest.uuid)
        expect(row.filter(has_text="renamed-by-virsh")).to_have_count(0)


def test_two_pages_see_the_same(tab: Tab, new_tab: type[Tab], lab: Lab) -> None:
    host = lab["h2"]
    guest = host.define(Recipe("seen-twice"))
    other = new_tab()
    rows = [each.open("/machines/").locator("tr").filter(has_text="seen-twice") for each in (tab, other)]
    with tab.without_reload(), other.without_reload():
        host.virsh("start", guest.uuid)
        for row in rows:
            expect(row).to_have_attribute("data-state", "running")
