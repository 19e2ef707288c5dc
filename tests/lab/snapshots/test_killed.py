"""Whoever is killed at any step: the job says in the end what is true on the host, no disk is lost, and nothing is left over.

After each death: what remains is gone back to and compared with what was written, then all snapshots are deleted, and one file is left.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import halting
from tests.lab.guests import Image
from tests.lab.lab import Lab
from tests.lab.snapshots.guest import Writing
from tests.stack import Role, Stack
from tests.waiting import wait_until


@dataclass(frozen=True)
class Death:
    """`what` is under way, at `place` (halting.py) somebody dies. `hangs`: QEMU hangs at that place, so that libvirt is in the middle of it."""

    what: str
    place: str
    who: str
    hangs: bool = False

    def __str__(self) -> str:
        return f"{self.what}-{self.who}-{self.place.replace(' ', '-')}{'-midway' if self.hangs else ''}"


_REVERT = ("after files.make_overlay", "after machine.force_off", "after machine.define", "before machine.start", "after machine.start", "before files.delete")
_MEMORY = ("after machine.define", "after snapshot.restore_memory")
_DELETE = ("before snapshot.delete", "after snapshot.delete", "after blockjob.commit", "before blockjob.pivot", "after blockjob.pivot", "before files.delete")
_WHO = ("worker", "libvirtd", "qemu")
_BESIDE: dict[str, Role] = {"watcher": "watcher", "broker": "redis"}
DEATHS = [
    *(Death("revert", place, who) for who in _WHO for place in _REVERT),
    *(Death("revert-to-memory", place, who) for who in _WHO for place in _MEMORY),
    *(Death("delete", place, who) for who in _WHO for place in _DELETE),
    *(Death("delete-off", place, who) for who in ("worker", "libvirtd") for place in ("after machine.start", "before blockjob.pivot")),
    *(Death("take", place, who) for who in _WHO for place in ("before snapshot.create", "after snapshot.create")),
    *(Death("take", "before snapshot.create", who, hangs=True) for who in _WHO),
    # Nobody of these asks the host for anything: what is under way must not even notice.
    *(Death("revert", place, who) for who in _BESIDE for place in _REVERT),
    *(Death("revert-to-memory", place, who) for who in _BESIDE for place in _MEMORY),
    *(Death("delete", place, who) for who in _BESIDE for place in _DELETE),
    *(Death("delete-off", place, who) for who in _BESIDE for place in ("after machine.start", "before blockjob.pivot")),
    *(Death("take", place, who) for who in _BESIDE for place in ("before snapshot.create", "after snapshot.create")),
]
# What every run proves; WEBVIRT_DEATHS=all dies them all, which takes many minutes.
_USUAL = {
    Death("revert", "after machine.define", "worker"),
    Death("delete", "before blockjob.pivot", "libvirtd"),
}
_CHOSEN = DEATHS if os.environ.get("WEBVIRT_DEATHS") == "all" else [death for death in DEATHS if death in _USUAL]


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """One of its own, whose workers halt where they are told to."""
    stack = Stack.start(entry=(halting.__file__,))
    stack.add_hosts({"h3": lab["h3"].uri})
    wait_until("h3 is online", lambda: stack.host("h3")["state"] == "online", seconds=30)
    yield stack
    stack.stop()


@pytest.mark.parametrize("death", _CHOSEN, ids=str)
def test_somebody_dies(death: Death, stack: Stack, lab: Lab, tiny_guest: Image) -> None:
    it = Writing.make(stack, lab["h3"], f"dies{DEATHS.index(death)}", tiny_guest)
    words = {"now": "two"}
    it.write("one")
    it.take("first", kind="external", memory=death.what == "revert-to-memory")
    words["first"] = "one"
    it.write("two")
    if death.what == "delete-off":
        it.guest.host.virsh("destroy", it.guest.uuid)
        wait_until("it is seen off", lambda: stack.machine(it.guest.name)["state"] == "off", seconds=20)
    job = _die(death, it, stack, lab)
    ended = stack.wait_job(job, seconds=90)
    log = [line["text"] for line in stack.rows("SELECT text FROM jobs_jobline WHERE job_id = ?", job)]
    state = it.guest.state
    _report(death, ended, state, it)
    assert ended["state"] in (("done",) if death.who in _BESIDE else ("done", "interrupted", "failed")), (ended, log)

    # What the job says is what is.
    wait_until("the host is followed", lambda: stack.host("h3")["state"] == "online", seconds=30)
    if ended["state"] == "done" and death.what.startswith("revert"):
        words["now"] = "one"
    _runs(it)
    it.guest.wait_for_agent()
    assert it.word in {words["now"], "one" if death.what.startswith("revert") else words["now"]}, log
    if ended["state"] == "done":
        assert it.word == words["now"], log

    # Each snapshot that is left holds what it held, and all can be deleted without a trace.
    wait_until("the snapshots are read again", lambda: it.names == set(lab_names(it)), seconds=30)
    if death.what == "delete" and ended["state"] == "done":
        assert "first" not in it.names
    if "first" in it.names:
        it.revert("first")
        assert it.word == "one"
        it.delete("first", children=True)
        assert it.word == "one"
    elif stack.rows("SELECT * FROM snapshots_unmerged WHERE machine_id = ?", it.number):
        it.done(it.ask("POST", "/merge"))
        assert it.word == words["now"]
    for name in sorted(it.names):
        it.delete(name)
    assert it.files == {f"{it.guest.name}.qcow2"}, log
    it.guest.host.virsh("destroy", it.guest.uuid)


def test_merging_is_stopped_and_done_later(stack: Stack, lab: Lab, tiny_guest: Image) -> None:
    it = Writing.make(stack, lab["h3"], "stopped", tiny_guest)
    it.write("one")
    it.take("first", kind="external", memory=False)
    it.write("two")
    (stack.directory / "halt").write_text("after blockjob.commit")
    job = it.ask("DELETE", f"/{it.id_of('first')}")
    reached = stack.directory / "reached"
    wait_until("it merges", reached.exists, seconds=30)
    reached.unlink()
    assert stack.api.request("POST", f"jobs/{job}/cancel").status == 202
    time.sleep(2.5)  # its worker looks each second
    (stack.directory / "go").touch()
    assert stack.wait_job(job)["state"] == "cancelled"
    wait_until("first is forgotten", lambda: "first" not in it.names, seconds=20)
    assert it.word == "two"
    assert "is not merged yet" in stack.web.get(f"/machines/{it.number}/snapshots/").body.decode()
    it.done(it.ask("POST", "/merge"))
    assert it.word == "two"
    assert it.files == {"stopped.qcow2"}


def lab_names(it: Writing) -> list[str]:
    return [name for name in it.guest.host.virsh("snapshot-list", it.guest.uuid, "--name").splitlines() if name]


def _die(death: Death, it: Writing, stack: Stack, lab: Lab) -> int:
    (stack.directory / "halt").write_text(death.place)
    if death.what.startswith("revert"):
        job = it.ask("POST", f"/{it.id_of('first')}/revert", {"run": True})
    elif death.what.startswith("delete"):
        job = it.ask("DELETE", f"/{it.id_of('first')}")
    else:
        job = it.ask("POST", body={"name": "second", "kind": "external"})
    reached = stack.directory / "reached"
    wait_until(f"{death.place} is reached", reached.exists, seconds=30)
    reached.unlink()
    pid = it.guest.qemu_pid() if it.guest.state not in ("shut off", "crashed") else 0
    if death.hangs:
        os.kill(pid, signal.SIGSTOP)
        (stack.directory / "go").touch()
        time.sleep(1.5)
    if death.who == "worker":
        stack.kill("long")
    elif death.who in _BESIDE:
        stack.kill(_BESIDE[death.who])
    elif death.who == "libvirtd":
        lab["h3"].kill_libvirtd()
        lab["h3"].start_libvirtd()
    elif death.who == "qemu" and pid:
        os.kill(pid, signal.SIGKILL)
    if death.hangs and death.who != "qemu":
        os.kill(pid, signal.SIGCONT)
    if death.who != "worker" and not death.hangs:
        (stack.directory / "go").touch()
    if death.who in _BESIDE:
        stack.wait_ready()
    return job


def _runs(it: Writing) -> None:
    state = it.guest.state
    if state == "paused":
        it.guest.host.virsh("resume", it.guest.uuid)
    elif state != "running":
        it.guest.host.virsh("start", it.guest.uuid)


def _report(death: Death, ended: dict, state: str, it: Writing) -> None:  # type: ignore[type-arg]
    """For the table of all deaths."""
    if path := os.environ.get("WEBVIRT_DEATHS_REPORT"):
        with Path(path).open("a") as file:
            file.write(f"| {death} | {ended['state']} | {ended['error'][:140]} | {state} | {', '.join(sorted(it.files))} |\n")
