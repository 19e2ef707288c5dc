"""Snapshots of real guests: what is on their disks and in their memory is compared before and after each step."""

from __future__ import annotations

import pytest

from tests.lab.guests import Image
from tests.lab.lab import Lab
from tests.lab.snapshots.guest import IMAGES, Writing
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("online")


def test_inside_the_disk_with_memory(stack: Stack, lab: Lab, tiny_guest: Image) -> None:
    """Taken, reverted to while it runs (the guest goes on where it was), a tree, deleted in the middle."""
    it = Writing.make(stack, lab["h1"], "inside", tiny_guest)
    it.write("one")
    it.remember_in_memory("first")
    it.take("first")
    assert it.rows["first"]["kind"] == "internal"
    assert it.rows["first"]["has_memory"]
    it.write("two")
    it.remember_in_memory("second")
    it.take("second")
    it.write("three")

    it.revert("first")
    assert (it.word, it.in_memory) == ("one", "first")
    it.take("beside")
    assert it.parents == {"first": "", "second": "first", "beside": "first"}
    it.revert("second", first="kept")
    assert (it.word, it.in_memory) == ("two", "second")
    wait_until("kept is shown", lambda: it.parents.get("kept") == "beside", seconds=30)
    it.delete("first")
    assert it.parents["second"] == ""
    it.revert("beside")
    assert (it.word, it.in_memory) == ("one", "first")
    it.delete("beside", children=True)
    assert it.names == {"second"}
    assert it.files == {"inside.qcow2"}


def test_outside_of_the_disk(stack: Stack, lab: Lab, tiny_guest: Image) -> None:
    """With and without memory, branches, reverted to running and off, merged live and offline; no file is left over."""
    it = Writing.make(stack, lab["h1"], "outside", tiny_guest)
    it.write("one")
    it.remember_in_memory("first")
    it.take("with-memory", kind="external")
    it.write("two")
    it.take("disks", memory=False, quiesce=True)
    assert it.rows["disks"]["kind"] == "external"
    assert not it.rows["disks"]["has_memory"]
    it.write("three")

    # While it runs, to memory: the guest goes on where it was. What was written since is kept by a snapshot of now.
    it.revert("with-memory", first="now")
    assert (it.word, it.in_memory) == ("one", "first")
    assert it.parents == {"with-memory": "", "disks": "with-memory", "now": "disks"}
    it.write("four")
    it.take("branch", memory=False)
    assert it.parents["branch"] == "with-memory"
    # Nothing was lost: the way that was left is a branch, and can be gone back to.
    it.revert("now")
    assert it.word == "three"

    # Off, to disks alone: it boots.
    it.guest.host.virsh("destroy", it.guest.uuid)
    it.revert("disks")
    assert it.word == "two"
    it.revert("branch", run=False)
    assert it.guest.state == "shut off"

    # Branches that the machine is not on are removed with their files; what another rests on is refused, in words.
    refused = it.stack.wait_job(it.ask("DELETE", f"/{it.id_of('with-memory')}"), seconds=60)
    assert refused["state"] == "failed"
    assert "More than one branch begins there" in refused["error"]
    it.delete("disks", children=True)
    assert it.names == {"with-memory", "branch"}

    # Merged while it is off (it stands paused for that), then while it runs.
    it.delete("branch")
    assert it.guest.state == "shut off"
    it.guest.host.virsh("start", it.guest.uuid)
    it.guest.wait_for_agent()
    assert it.word == "four"
    it.write("five")
    it.delete("with-memory")
    assert it.word == "five"
    assert it.files == {"outside.qcow2"}
    assert it.disk == "outside.qcow2"


def test_middle_of_a_line_is_merged_live(stack: Stack, lab: Lab, tiny_guest: Image) -> None:
    """And going back to a machine that can't start any more: it is put back to where it was, with nothing lost but its memory."""
    it = Writing.make(stack, lab["h2"], "line", tiny_guest)
    host, second = it.guest.host, f"{IMAGES}/line.second.raw"
    host.run("qemu-img", "create", "-q", "-f", "raw", second, "1M")
    host.virsh("attach-disk", it.guest.uuid, second, "vdb", "--subdriver", "raw", "--persistent")
    for word in ("one", "two", "three"):
        it.write(word)
        it.take(f"at-{word}", kind="external", memory=False, targets=["vda"])
    host.virsh("detach-disk", it.guest.uuid, "vdb", "--persistent")
    host.run("rm", second)
    it.write("four")
    it.delete("at-two")
    assert it.word == "four"
    assert it.parents == {"at-one": "", "at-three": "at-one"}

    before = it.files
    failed = stack.wait_job(it.ask("POST", f"/{it.id_of('at-three')}/revert", {"run": True}), seconds=60)
    assert failed["state"] == "failed"
    assert second in failed["error"] + failed["detail"]
    it.guest.wait_for_agent()
    assert it.word == "four"
    assert it.files == before

    it.delete("at-one", children=True)
    assert it.word == "four"
    assert it.files == {"line.qcow2"}


def test_uefi(stack: Stack, lab: Lab) -> None:
    """Its variables lie in a file of their own, so an internal snapshot is refused, and the best kind is external. Those of then come back with memory."""
    it = Writing.make(stack, lab["h2"], "uefi", None, uefi=True)
    answer = stack.api.request("POST", f"machines/{it.number}/snapshots", {"name": "inside", "kind": "internal"})
    refused = stack.wait_job(int(answer.body["id"]))
    assert refused["state"] == "failed"
    assert "UEFI" in refused["error"]
    it.take("first")
    assert it.rows["first"]["kind"] == "external"
    it.done(it.ask("POST", f"/{it.id_of('first')}/revert", {"first": "kept"}))
    assert it.guest.state == "running"
    wait_until("kept is shown", lambda: "kept" in it.names, seconds=30)
    host = it.guest.host
    variables = host.virsh("dumpxml", it.guest.uuid, "--xpath", "//nvram/text()").strip()
    host.virsh("destroy", it.guest.uuid)
    host.run("sh", "-c", f"printf XXXX | dd of={variables} bs=1 seek=200000 conv=notrunc 2>/dev/null")
    it.done(it.ask("POST", f"/{it.id_of('kept')}/revert", {}))
    assert it.guest.state == "running"
    peek = f"dd if={variables} bs=1 skip=200000 count=4 2>/dev/null | od -An -c"
    wait_until("the variables are those of then", lambda: "X" not in host.run("sh", "-c", peek))
    it.delete("first", children=True)
    assert it.files == {"uefi.qcow2"}


def test_no_room(stack: Stack, lab: Lab, tiny_guest: Image) -> None:
    """Said before, with the numbers, and nothing is lost: neither by taking nor by merging."""
    host, small = lab["h2"], "/srv/small"
    host.run("mkdir", "-p", small)
    host.run("mount", "-t", "tmpfs", "-o", "size=100m", "none", small)
    try:
        it = Writing.make(stack, host, "full", tiny_guest, where=small)
        it.write("one")
        refused = stack.wait_job(it.ask("POST", body={"name": "with-memory", "kind": "external"}))
        assert refused["state"] == "failed"
        assert "It can take up to 145 MiB" in refused["error"]
        it.take("disks", kind="external", memory=False)
        it.write("two")
        it.fill(30)
        host.run("sh", "-c", f"head -c 55M /dev/zero > {small}/filler")
        refused = stack.wait_job(it.ask("DELETE", f"/{it.id_of('disks')}"))
        assert refused["state"] == "failed", refused
        assert "free" in refused["error"]
        assert it.names == {"disks"}
        assert it.word == "two"
        host.run("rm", f"{small}/filler")
        it.delete("disks")
        assert it.word == "two"
        assert host.run("ls", small).split() == ["full.qcow2"]
    finally:
        lab["h2"].sweep()
        host.run("umount", "-l", small)
