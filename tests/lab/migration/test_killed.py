"""Whoever dies at whatever moment of a move: one machine remains, with its data; the job says where; nothing else is left on either host.

Most deaths come with an event of libvirt's own or a phase that the job tells, so that "in the middle of the switch-over" is just there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import libvirt
import pytest

from tests.lab import halting
from tests.lab.guests import Image
from tests.lab.lab import Guest, Host, Lab
from tests.lab.migration.moving import LOCAL, Moving, make_pools, set_ways, when
from tests.stack import Role, Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Death:
    """`who` dies in which `phase` of a move with a disk of its own from one host to the other."""

    who: str
    phase: str

    def __str__(self) -> str:
        return f"{self.who}-{self.phase}"


WHO = ("worker", "watcher", "broker", "libvirtd-source", "libvirtd-target", "qemu-source", "qemu-target", "power-target")
PHASES = ("prepare", "disks", "memory", "switch-over", "finish", "post-copy")
DEATHS = [Death(who, phase) for phase in PHASES for who in WHO]
# What every run proves; WEBVIRT_DEATHS=all dies them all, which takes half an hour.
_USUAL = {Death("worker", "memory"), Death("libvirtd-source", "memory"), Death("libvirtd-target", "disks"), Death("power-target", "disks")}
_CHOSEN = DEATHS if os.environ.get("WEBVIRT_DEATHS") == "all" else [death for death in DEATHS if death in _USUAL]
_EVENTS = {
    "prepare": ("target", libvirt.VIR_DOMAIN_EVENT_STARTED),
    "switch-over": ("source", libvirt.VIR_DOMAIN_EVENT_SUSPENDED),
    "finish": ("target", libvirt.VIR_DOMAIN_EVENT_RESUMED),
    "post-copy": ("target", libvirt.VIR_DOMAIN_EVENT_RESUMED),  # its memory follows then
}
# Memory that only they had is lost with them; the machine is where it ran last.
_TEAR = ("qemu-source", "qemu-target", "power-target")
_PHASES = {"disks": "Copying disks", "memory": "Copying memory"}


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """One of its own: its processes get killed here. Who is dead is found out within seconds (halting.py)."""
    stack = Stack.start(entry=(halting.__file__,))
    make_pools(lab)
    stack.add_hosts({name: lab[name].uri for name in ("h1", "h2")})
    wait_until("both are online", lambda: all(stack.host(name)["state"] == "online" for name in ("h1", "h2")), seconds=30)
    set_ways(stack, hosts=("h1", "h2"))
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def it(stack: Stack, lab: Lab, swept: None, tiny_guest: Image) -> Moving:
    made = Moving.make(stack, lab["h1"], "mortal", tiny_guest, where=LOCAL)
    made.fill(24)
    return made


@pytest.mark.parametrize("death", _CHOSEN, ids=str)
def test_somebody_dies(death: Death, it: Moving, stack: Stack, lab: Lab) -> None:
    (where,) = it.where(lab)
    source, target = lab[where], lab["h2" if where == "h1" else "h1"]
    it = it.on(where)
    _run(it, str(death))
    for name in it.files_on(target, LOCAL):
        target.run("rm", f"{LOCAL}/{name}")
    number, digest = it.number, it.digest(24)
    before = it.files_on(source, LOCAL)
    job = _die(death, it, stack, source, target)
    if (death.who, death.phase) == ("qemu-source", "post-copy"):
        try:
            wait_until("it is said", lambda: "it can't go on" in stack.job(job)["phase"], seconds=30)
        except AssertionError:
            raise AssertionError((dict(stack.job(job)), it.where(lab), stack.log[-2000:])) from None
        stack.api.request("POST", f"jobs/{job}/cancel")
    ended = stack.wait_job(job, seconds=100)
    wait_until("both are online", lambda: all(stack.host(name)["state"] == "online" for name in ("h1", "h2")), seconds=40)

    # One machine, and the job says where.
    torn = death.phase == "post-copy" and death.who in _TEAR
    there = target if ended["state"] == "done" or torn else source
    wait_until("it is on one host alone", lambda: it.where(lab) == [there.name], seconds=30)
    left = {"source": it.files_on(source, LOCAL), "target": it.files_on(target, LOCAL)}
    state = Guest(there, it.guest.name, it.guest.uuid).state
    log = [line["text"] for line in stack.rows("SELECT text FROM jobs_jobline WHERE job_id = ?", job)]
    tell = partial(_report, death, ended, there, state, left)
    tell("not read")
    it.is_only_on(there.name, number)
    assert ended["state"] in ("done", "failed", "interrupted"), (ended, log)
    killed_there = death.who == f"qemu-{'target' if there is target else 'source'}" or (there is target and death.who == "power-target")
    assert state == "running" or killed_there or torn, (ended, log)
    assert not torn or (ended["state"] == "failed" and "before all" in ended["error"]), (ended, log)
    # Its data are where it is, and nothing of them where it never came.
    assert left["source"] == before, log
    assert left["target"] == (set() if there is source else {"mortal.qcow2"}), (ended, log)
    # Booted anew: an agent that was asked too early after a slow move is given up by libvirt.
    there_it = it.on(there.name)
    if state == "running":
        there.virsh("destroy", it.guest.uuid)
    there.virsh("start", it.guest.uuid)
    there_it.guest.wait_for_agent(seconds=90)
    same = there_it.digest(24) == digest
    tell("the same" if same else "differs")
    assert same, log
    assert stack.rows("SELECT * FROM migration_move WHERE done_at IS NULL") == [], log


def _run(it: Moving, word: str) -> None:
    if it.guest.state != "running":
        it.guest.host.virsh("start", it.guest.uuid)
    it.be_patient()
    it.guest.wait_for_agent(seconds=90)
    it.write(word)
    it.keep_changing()
    if "post-copy" in word:
        it.change_faster()


def _die(death: Death, it: Moving, stack: Stack, source: Host, target: Host) -> int:
    """The job's number."""
    kill = _deadly(death, it, stack, source, target)
    slowly: dict[str, object] = {"bandwidth_mib": 8} if death.phase in _PHASES else {}
    if death.phase == "post-copy":
        slowly = {"post_copy": True, "bandwidth_mib": 12}
    with _at(death, it, source, target, kill) as happened:
        job = it.ask_to_move(target.name, storage={"vda": "local"}, **slowly)
        if words := _PHASES.get(death.phase):
            try:
                wait_until(words, lambda: stack.job(job)["phase"] == words and '"memory_left"' in stack.job(job)["figures"], seconds=60, every=0.02)
            except AssertionError:
                raise AssertionError((stack.job(job), source.virsh("domjobinfo", it.guest.uuid), stack.log[-3000:])) from None
            kill()
            happened.set()
        assert happened.wait(60), (stack.job(job), stack.log[-3000:])
    time.sleep(1)
    _bring_back(death, stack, source, target)
    return job


@contextmanager
def _at(death: Death, it: Moving, source: Host, target: Host, kill: Callable[[], object]) -> Iterator[threading.Event]:
    """Kill with the event that begins the phase."""
    if death.phase not in _EVENTS:
        yield threading.Event()
        return
    which, wanted = _EVENTS[death.phase]
    with when(source if which == "source" else target, it.guest.uuid, wanted, kill) as happened:
        yield happened


def _deadly(death: Death, it: Moving, stack: Stack, source: Host, target: Host) -> Callable[[], object]:
    """A deed that takes a millisecond: whom to kill is looked up before, as far as they live already."""
    host = target if death.who.endswith("target") else source
    if death.who in ("worker", "watcher", "broker"):
        roles: dict[str, tuple[Role, ...]] = {"worker": ("long",), "watcher": ("watcher",), "broker": ("redis",)}
        return lambda: [stack.kill(role) for role in roles[death.who]]
    if death.who.startswith("libvirtd"):
        pid = _libvirtd(host)
        return lambda: os.kill(pid, signal.SIGKILL)
    if death.who == "power-target":
        init = int((target.directory / "init.pid").read_text())
        return lambda: os.kill(init, signal.SIGKILL)
    inside = os.stat(f"/proc/{(host.directory / 'init.pid').read_text().strip()}/ns/pid").st_ino

    def kill_qemu() -> None:
        for pid in subprocess.run(["pgrep", "-f", "--", f"-uuid {it.guest.uuid}"], capture_output=True, text=True).stdout.split():
            with suppress(FileNotFoundError):
                if os.stat(f"/proc/{pid}/ns/pid").st_ino == inside:
                    os.kill(int(pid), signal.SIGKILL)

    return kill_qemu


def _bring_back(death: Death, stack: Stack, source: Host, target: Host) -> None:
    host = target if death.who.endswith("target") else source
    if death.who in ("worker", "watcher", "broker"):
        stack.wait_ready()
    elif death.who.startswith("libvirtd"):
        host.lab.script("start-libvirtd", host.name)
        make_pools(host.lab)
    elif death.who == "power-target":
        target.power_cut()  # the rest of it: what listens for it
        target.start()
        make_pools(host.lab)


def _libvirtd(host: Host) -> int:
    init = (host.directory / "init.pid").read_text().strip()
    return int(subprocess.run(["pgrep", "--oldest", "--exact", "--ns", init, "--nslist", "pid", "libvirtd"], capture_output=True, text=True).stdout)


def _report(death: Death, ended: dict, there: Host, state: str, left: dict[str, set[str]], disk: str) -> None:  # type: ignore[type-arg]
    """For the table of all deaths. One whose disk was not read says so."""
    files = "; ".join(f"{where}: {', '.join(sorted(names)) or 'nothing'}" for where, names in left.items())
    line = f"| {death.who} | {death.phase} | {ended['state']} | {there.name}, {state} | {files} | disk: {disk} | {ended['error'][:160]} |"
    with Path(os.environ.get("WEBVIRT_DEATHS_TABLE", os.devnull)).open("a") as table:
        table.write(line + "\n")
    print(line)
