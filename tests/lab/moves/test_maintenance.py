"""Real hosts emptied and filled again by the pages, with a machine that can't be moved, and workers killed in the middle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from lxml import etree
from playwright.sync_api import Page, expect

from tests.browser.kit import Tab
from tests.lab.guests import Image, Recipe, domain_xml
from tests.lab.lab import Host, Lab
from tests.lab.migration.moving import LOCAL, Moving, make_pools, set_ways
from tests.lab.snapshots.guest import IMAGES
from tests.stack import Stack
from tests.waiting import wait_until

MOVABLE = ("d1", "d2", "d3", "d4")
CARRIED = MOVABLE[:3]  # d4 was moved by hand before
# A worker counts as dead after 30 s without a heartbeat; then a sweep asks the hosts.
SETTLED_SECONDS = 75.0


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """One of its own, whose workers get killed. On h1: four machines that can be moved, one that can't, one that is off."""
    stack = Stack.start()
    stack.add_hosts({host.name: host.uri for host in lab.hosts})
    for host in lab.hosts:
        wait_until(f"{host.name} is online", lambda host=host: stack.host(host.name)["state"] == "online", seconds=60)  # type: ignore[misc]
    set_ways(stack)
    for name in MOVABLE:
        lab["h1"].define(Recipe(name, memory_mib=64), start=True)
    lab["h1"].define(Recipe("asleep", memory_mib=64))
    with_a_directory_of_its_host(lab["h1"], "held")
    wait_until("all are seen", lambda: stack.machine("held")["state"] == "running" and stack.machine("asleep") and stack.machine("d4"), seconds=60)
    yield stack
    stack.stop()


def with_a_directory_of_its_host(host: Host, name: str) -> None:
    """It runs, and sees what it can't take along."""
    root = etree.fromstring(domain_xml(Recipe(name, memory_mib=64)))
    devices = root.find("devices")
    assert devices is not None
    devices.append(etree.fromstring('<filesystem type="mount" accessmode="mapped"><source dir="/srv/shared"/><target dir="share"/></filesystem>'))
    with host.connection() as connection:
        connection.defineXML(etree.tostring(root, encoding="unicode")).create()


def running(lab: Lab) -> dict[str, set[str]]:
    """Host → the machines that run there, as virsh says."""
    return {host.name: set(host.virsh("list", "--name").split()) for host in lab.hosts}


def job_of(stack: Stack, kind: str) -> dict[str, Any]:
    found = stack.rows("SELECT * FROM jobs_job WHERE kind = ? ORDER BY id DESC", kind)
    assert found, f"no job {kind}"
    return found[0]


def test_one_machine_by_its_page(stack: Stack, lab: Lab, tab: Tab) -> None:
    machine, there = stack.machine("d4"), stack.host("h3")["id"]
    page = tab.open(f"/machines/{machine['id']}/move/")
    assert not tab.violations(), tab.violations()
    with tab.without_reload():
        page.get_by_role("radio", name="h3").check()
        expect(page.get_by_role("heading", name="Checks for h3")).to_be_visible()
        checks = page.locator("#move-checks")
        expect(checks).to_contain_text("Whether h1 reaches h3 was not tried yet")
        checks.get_by_role("button", name="Try it").click()
        expect(checks).not_to_contain_text("was not tried yet", timeout=30_000)
    page.get_by_role("button", name="Migrate", exact=True).click()
    page.wait_for_url("**/jobs/*/")
    assert stack.wait_job(job_of(stack, "machines.migration.move")["id"], seconds=60)["state"] == "done"
    wait_until("its row went along", lambda: stack.machine("d4")["host_id"] == there, seconds=20)
    assert "d4" in running(lab)["h3"]
    expect(page.get_by_role("paragraph").filter(has_text="Done in")).to_be_visible()


def test_a_host_is_emptied_though_its_workers_die_and_filled_again(stack: Stack, lab: Lab, tab: Tab) -> None:
    here = stack.host("h1")["id"]
    page = tab.open(f"/hosts/{here}/maintenance/")
    assert not tab.violations(), tab.violations()
    with tab.without_reload():
        held = page.locator("tr").filter(has_text="held")
        expect(held).to_contain_text("It sees a directory of its host: /srv/shared")
        page.get_by_label("Shut them down and leave them").check()
        expect(held).to_contain_text("is shut down and stays")
        page.get_by_label("Leave them running where they are").check()
        expect(held).to_contain_text("stays, and runs on")
    page.get_by_role("button", name="Begin maintenance").click()
    expect(page.get_by_text("In maintenance since")).to_be_visible(timeout=20_000)

    caught = wait_until("a move is under way", lambda: _moving(stack), seconds=30, every=0.02)
    stack.kill("long")
    stack.kill("quick")
    with tab.without_reload():
        drain = stack.wait_job(job_of(stack, "machines.moves.drain")["id"], seconds=SETTLED_SECONDS)
        expect(page.locator("#maintenance")).to_contain_text("machines are still here.", timeout=20_000)
    assert not tab.violations(), tab.violations()
    assert any("Its worker died" in line for job in caught for line in _told_by(stack, job)), "nobody died in the middle of a move"
    _is_told_as_it_is(stack, lab, drain)
    if drain["state"] == "failed":  # one that had hardly begun when its worker died is not begun again by itself
        _move_what_is_left(page, stack)
    now = running(lab)
    assert now["h1"] == {"held"}
    assert {name for name in CARRIED if name in now["h2"] | now["h3"]} == set(CARRIED)
    assert stack.rows("SELECT * FROM migration_move WHERE done_at IS NULL") == []

    page.get_by_role("link", name="End maintenance").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("3 machines were taken away for it")
    assert not tab.violations(), tab.violations()
    dialog.get_by_role("button", name="End, bring them back").click()
    wait_until("they are asked back", lambda: job_of(stack, "machines.moves.bring_back"), seconds=20)
    back = stack.wait_job(job_of(stack, "machines.moves.bring_back")["id"], seconds=60)
    assert back["state"] == "done", back
    assert running(lab)["h1"] == {"d1", "d2", "d3", "held"}
    assert "d4" in running(lab)["h3"], "it was moved by hand before, and stays"
    expect(page.get_by_text("Back to h1")).to_be_visible(timeout=20_000)


def test_disks_of_its_own_go_along_and_one_is_moved_cold(stack: Stack, lab: Lab, tiny_guest: Image) -> None:
    """In one maintenance: a machine that runs on while its local disk is copied, and one that is shut down, moved and started there."""
    make_pools(lab)
    owner = Moving.make(stack, lab["h2"], "owner", tiny_guest, where=LOCAL)
    cold = Moving.make(stack, lab["h2"], "cold", tiny_guest)
    lab["h2"].virsh("pool-refresh", "local")
    for name in ("h2", "h3"):  # so that the plan knows what both see
        lab[name].virsh("pool-create-as", "images", "dir", "--target", IMAGES)
    numbers = {each.guest.name: each.number for each in (owner, cold)}
    for each in (owner, cold):
        each.write("kept")
        each.remember_in_memory("then")
    owner.fill(8)
    digest = owner.digest(8)
    page = f"/hosts/{stack.host('h2')['id']}/maintenance/"
    wish = {"stuck": "leave", "off": "leave", "to": stack.host("h3")["id"], f"m{cold.number}": "cold"}
    try:
        wait_until("the plan has both", lambda: _plan_of(stack, page, wish).count("<bdi>h3</bdi>") == 2, seconds=40, every=0.5)
    except AssertionError:
        raise AssertionError(re.sub(r"<[^>]*>", " ", _plan_of(stack, page, wish))) from None
    assert "of local disks are copied" in _plan_of(stack, page, wish)
    _carry(stack, page, {**wish, "do": "go"}, "machines.moves.drain")
    for each in (owner, cold):
        each.is_only_on("h3", numbers[each.guest.name])
    there = owner.on("h3")
    assert (there.word, there.in_memory, there.digest(8)) == ("kept", "then", digest)
    assert there.files_on(lab["h3"], LOCAL) == {"owner.qcow2"}
    booted = cold.on("h3")
    booted.guest.wait_for_agent()
    assert (booted.word, booted.in_memory) == ("kept", ""), "it was started anew"
    steps = stack.rows("SELECT kind FROM jobs_job WHERE subject_type = 'machine' AND subject_id = ? ORDER BY id", numbers["cold"])
    assert [row["kind"] for row in steps] == ["machines.shutdown", "machines.migration.move", "machines.start"]

    _carry(stack, f"{page}end/", {"back": "1"}, "machines.moves.bring_back")
    for each in (owner, cold):
        each.is_only_on("h2", numbers[each.guest.name])
    assert (owner.word, owner.in_memory, owner.digest(8)) == ("kept", "then", digest)
    cold.guest.wait_for_agent()
    assert cold.word == "kept"


def _plan_of(stack: Stack, page: str, wish: dict[str, Any]) -> str:
    """The table and what stands below it."""
    return stack.web.post(page, wish).body.decode().partition("<tbody>")[2]


def _carry(stack: Stack, page: str, wish: dict[str, Any], kind: str) -> None:
    """Ask for a round by a page's form, until it has ended well."""
    answer = stack.web.post(page, wish)
    assert answer.status == 204, (answer.status, answer.body)
    ended = stack.wait_job(job_of(stack, kind)["id"], seconds=90)
    assert ended["state"] == "done" and {part["state"] for part in _parts(stack)} == {"done"}, (ended, _parts(stack))


def _is_told_as_it_is(stack: Stack, lab: Lab, drain: dict[str, Any]) -> None:
    """Whatever the deaths did to single moves: each machine is on one host alone, its row says which, and the parent names those that were not moved."""
    now, told = running(lab), {row["name"]: row["state"] for row in _parts(stack)}
    failed = {name for name in CARRIED if told[name] == "failed"}
    assert {name: told[name] for name in ("held", "asleep")} == {"held": "left", "asleep": "left"}
    assert "held" in now["h1"]
    for name in CARRIED:
        (host,) = [host for host, names in now.items() if name in names]
        assert (told[name], name in failed) == (("failed", True) if host == "h1" else ("done", False)), (told, now)
        assert lab_knows(lab, name) == [host]
        wait_until(f"{name} is shown on {host}", lambda name=name, host=host: stack.machine(name)["host_id"] == stack.host(host)["id"], seconds=20)  # type: ignore[misc]
    assert drain["state"] == ("failed" if failed else "done"), drain
    for name in CARRIED:
        assert (f"{name}: " in drain["error"]) == (name in failed), drain
    if failed:
        assert drain["error"].startswith(f"{len(failed)} of {len(CARRIED)} could not be done."), drain
    else:
        assert json.loads(drain["result"])["done"] == len(CARRIED), drain


def lab_knows(lab: Lab, name: str) -> list[str]:
    """The hosts that have a machine of that name, running or not."""
    return [host.name for host in lab.hosts if name in host.virsh("list", "--all", "--name").split()]


def _moving(stack: Stack) -> list[int]:
    """Jobs."""
    rows = stack.rows("SELECT id FROM jobs_job WHERE kind = 'machines.migration.move' AND state = 'running' AND parent_id IS NOT NULL")
    return [row["id"] for row in rows]


def _told_by(stack: Stack, job: int) -> list[str]:
    return [row["text"] for row in stack.rows("SELECT text FROM jobs_jobline WHERE job_id = ?", job)] + [stack.job(job)["error"]]


def _parts(stack: Stack) -> list[dict[str, Any]]:
    return stack.rows("SELECT * FROM moves_part WHERE round_id = (SELECT max(id) FROM moves_round)")


def _move_what_is_left(page: Page, stack: Stack) -> None:
    before = job_of(stack, "machines.moves.drain")["id"]
    page.get_by_role("link", name="Plan what is left").click()
    page.get_by_role("button", name="Move what is left").click()
    wait_until("another round", lambda: job_of(stack, "machines.moves.drain")["id"] != before, seconds=20)
    assert stack.wait_job(job_of(stack, "machines.moves.drain")["id"], seconds=60)["state"] == "done"
