"""What waits for the next boot, and what a running machine takes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from virt.xml import tree
from virt.xml.edit import edits, pending
from virt.xml.edit.edits import Edit
from virt.xml.edit.plan import Plan, plan

DATA = Path(__file__).parents[1] / "virt" / "data"
LIVE, STORED = (DATA / "running.xml").read_text(), (DATA / "stored.xml").read_text()


def test_what_libvirt_fills_in_at_the_start_waits_for_nothing() -> None:
    assert pending.between(LIVE, STORED) == []
    assert pending.between(STORED, STORED) == []


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Edit("change", "disk", "vda", {"cache": "writeback"}), [("disk", "vda", "change", "cache", "none", "writeback")]),
        (Edit("change", "cpu", "0", {"vcpus": "4"}), [("cpu", "0", "change", "vcpus", "2", "4")]),
        (Edit("change", "nic", "52:54:00:21:d9:f1", {"down": ""}), [("nic", "52:54:00:21:d9:f1", "change", "down", "yes", "")]),
        (Edit("remove", "disk", "vda"), [("disk", "vda", "remove", "", "", "")]),
        (Edit("add", "watchdog", "", {"model": "i6300esb", "action": "reset"}), [("watchdog", "0", "add", "", "", "")]),
        (Edit("change", "general", "0", {"title": "Other"}), [("general", "0", "change", "title", "A rich machine", "Other")]),
    ],
)
def test_each_difference_is_told_once(edit: Edit, expected: list[tuple[str, ...]]) -> None:
    found = pending.between(LIVE, edits.applied(STORED, [edit]))
    assert [(each.kind, each.key, each.verb, each.field, each.live, each.stored) for each in found] == expected


def test_one_of_several_alike_is_found_by_its_place_on_the_board() -> None:
    stored = edits.applied(STORED, [Edit("remove", "graphics", "0")])
    assert [(each.device, each.verb) for each in pending.between(LIVE, stored)] == [("Display VNC", "remove")]


def _plan(edit: Edit, live: str = LIVE) -> Plan:
    stored, edited = tree.parse(STORED), tree.parse(STORED)
    edit = edits.completed(edit, [stored])
    edits.apply(edited, edit)
    return plan(edit, tree.parse(live), stored, edited)


def test_what_is_taken_at_once() -> None:
    for edit, way in (
        (Edit("add", "disk", "", {"source": "/x/y"}), "attach"),
        (Edit("add", "nic", "", {"source": "default"}), "attach"),
        (Edit("remove", "disk", "vda"), "detach"),
        (Edit("change", "nic", "52:54:00:21:d9:f1", {"down": ""}), "update"),
        (Edit("change", "cdrom", "sda", {"source": "/x/disc.iso"}), "update"),
        (Edit("change", "disk", "vda", {"read_bytes_sec": "9"}), "throttle"),
        (Edit("change", "cpu", "0", {"current": "2"}), "vcpus"),
        (Edit("change", "memory", "0", {"current": str(96 * 2**20)}), "balloon"),
        (Edit("change", "general", "0", {"title": "T"}), "title"),
        (Edit("change", "general", "0", {"description": ""}), "description"),
    ):
        found = _plan(edit)
        assert ([step.way for step in found.steps], found.later) == ([way], ()), edit


def test_what_waits() -> None:
    for edit in (
        Edit("add", "sound"),
        Edit("add", "disk", "", {"source": "/x/y", "bus": "sata"}),
        Edit("remove", "video", "0"),
        Edit("change", "disk", "vda", {"cache": "writeback"}),
        Edit("change", "cpu", "0", {"vcpus": "8"}),
        Edit("change", "memory", "0", {"memory": str(2**30)}),
    ):
        found = _plan(edit)
        assert (found.steps, len(found.later)) == ((), 1), edit


def test_cpus_are_never_taken_out_of_a_running_machine() -> None:
    live = LIVE.replace("current='1'>2<", ">2<")
    stored, edited = tree.parse(STORED.replace("current='1'>2<", ">2<")), tree.parse(STORED)
    found = plan(Edit("change", "cpu", "0", {"current": "1"}), tree.parse(live), stored, edited)
    assert (found.steps, found.later) == ((), ("vCPUs now",))


def test_an_update_is_of_the_running_device_with_all_that_it_has() -> None:
    step = _plan(Edit("change", "nic", "52:54:00:21:d9:f1", {"down": ""})).steps[0]
    node = tree.fragment(step.xml)
    assert node.find("target").get("dev") == "vnet0"  # type: ignore[union-attr]
    assert node.find("alias").get("name") == "net1"  # type: ignore[union-attr]
    assert node.find("link").get("state") == "up"  # type: ignore[union-attr]


def test_a_device_that_waits_itself_is_not_touched_in_the_running_machine() -> None:
    live = tree.parse(edits.applied(LIVE, [Edit("remove", "disk", "vda")]))
    found = _plan(Edit("change", "disk", "vda", {"total_iops_sec": "5"}), tree.text_of(live))
    assert found == Plan()
