"""Whoever is killed at any step of making, importing, copying, renaming, deleting: the job says what is true, and nothing half made is left.

After each death either the machine is whole, and can be deleted with all that is its own, or nothing of it is there: no definition, no volume, no
UEFI variables. An original that was copied is what it was.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import halting
from tests.lab.creation.conftest import POOL, stock
from tests.lab.lab import Host, Lab
from tests.stack import Stack
from tests.waiting import wait_until

NAME = "h3"
FOLDER = f"/srv/shared/images-{NAME}"
MIB = 2**20


@dataclass(frozen=True)
class Death:
    """`what` is under way, at `place` (tests/lab/halting.py) somebody dies. `midway`: while libvirt does what comes next."""

    what: str
    place: str
    who: str
    midway: bool = False

    def __str__(self) -> str:
        return f"{self.what}-{self.who}-{self.place.replace(' ', '-')}{'-midway' if self.midway else ''}"


_WHO = ("worker", "libvirtd", "host")
_DEFINED = ("before machine.define", "after machine.define", "before machine.start", "after machine.start")
_PLACES = {
    "cloud": ("before volume.clone", "after volume.clone", "after volume.create", "before volume.upload", "after volume.upload", *_DEFINED),
    "ova": ("after volume.create", "after volume.upload", "after volume.clone", "before volume.delete", "after volume.create #2", *_DEFINED[:2]),
    "vhdx": ("after volume.create", "after volume.upload", "after volume.upload #3", "after volume.clone", "before volume.delete", *_DEFINED[:2]),
    "clone": ("before volume.clone", "after volume.clone", "after machine.define", "before variables.copy", "after variables.copy", "after machine.start"),
    "linked": ("after volume.create", "after volume.create #2", "after machine.define", "before machine.define #2", "after machine.define #2"),
    "rename": ("before variables.copy", "after variables.copy", "before lookups.rename_machine", "after lookups.rename_machine", "after variables.remove #2"),
    "delete": ("before machine.undefine", "after machine.undefine", "before volume.delete", "after volume.delete"),
}
DEATHS = [
    *(Death(what, place, who) for what, places in _PLACES.items() for place in places for who in _WHO),
    *(Death("large", "before volume.clone", who, midway=True) for who in _WHO),
]
# What every run proves; WEBVIRT_DEATHS=all dies them all, which takes many minutes.
_USUAL = {
    Death("large", "before volume.clone", "worker", midway=True),
    Death("large", "before volume.clone", "libvirtd", midway=True),
    Death("ova", "after volume.upload", "host"),
    Death("clone", "after variables.copy", "worker"),
    Death("linked", "after machine.define #2", "libvirtd"),
    Death("delete", "after machine.undefine", "libvirtd"),
}
_CHOSEN = DEATHS if os.environ.get("WEBVIRT_DEATHS") == "all" else [death for death in DEATHS if death in _USUAL]


@pytest.fixture(scope="module")
def stack(lab: Lab, shapes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of its own, whose workers halt where they are told to; a host with images, one of which takes a while to copy."""
    large = tmp_path_factory.mktemp("large") / "large.qcow2"
    _write_large(large)
    host = lab[NAME]
    stock(host, {name: shapes[name] for name in ("tiny.qcow2", "tiny.vhdx", "tiny.ova")} | {"large.qcow2": large})
    host.virsh("pool-autostart", POOL)
    stack = Stack.start(entry=(halting.__file__,))
    stack.add_hosts({NAME: host.uri})
    wait_until("its volumes are seen", lambda: len(stack.rows("SELECT * FROM storage_volume")) >= 4 or _no(), seconds=60)
    wait_until("its offers are seen", lambda: stack.rows("SELECT * FROM devices_hostcapabilities"), seconds=120)
    yield stack
    stack.stop()


def _write_large(file: Path) -> None:
    raw = file.with_suffix(".raw")
    with raw.open("wb") as out:
        for _ in range(400):
            out.write(b"not zero " * (MIB // 9))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file], check=True)
    raw.unlink()


@pytest.mark.parametrize("death", _CHOSEN, ids=str)
def test_somebody_dies(death: Death, stack: Stack, lab: Lab) -> None:
    it = Scene(death.what, f"dies{DEATHS.index(death)}", stack, lab[NAME])
    it.prepare()
    before = it.left
    (stack.directory / "halt").write_text(death.place)
    job = it.ask()
    _die(death, it, stack, job)
    ended = stack.wait_job(job, seconds=90)
    wait_until("the host is followed", lambda: stack.host(NAME)["state"] == "online", seconds=60)
    wait_until("nothing is unfinished", lambda: not stack.rows("SELECT * FROM creation_creation WHERE made != '[]'") or _no(), seconds=60)
    wait_until("no job goes on", lambda: not stack.rows("SELECT * FROM jobs_job WHERE state IN ('queued', 'running')") or _no(), seconds=60)
    after = it.left
    _report(death, ended, before, after)
    log = [line["text"] for line in stack.rows("SELECT text FROM jobs_jobline WHERE job_id = ?", job)]
    assert ended["state"] in ("done", "interrupted", "failed"), (ended, log)
    it.check(before, after, done=ended["state"] == "done", runs=death.who != "host", why=(ended["error"], log))
    it.remove_all()
    assert it.left == Left(), log


@dataclass(frozen=True)
class Left:
    """What is on the host beside the images: machines with their states, volumes, UEFI variables."""

    machines: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return ", ".join(sorted(self.machines | self.volumes | self.variables)) or "nothing"


@dataclass
class Scene:
    """What is asked for, in the lab and in the product. `name` is the machine's that is made, or that is there."""

    what: str
    name: str
    stack: Stack
    host: Host

    @property
    def left(self) -> Left:
        self.host.virsh("pool-refresh", POOL)
        volumes = self.host.virsh("vol-list", POOL).split()[::2]
        variables = (self.host.directory / "var-lib-libvirt" / "qemu" / "nvram").iterdir()
        return Left(
            frozenset(self.host.virsh("list", "--all", "--name").split()),
            frozenset(name for name in volumes if name.startswith(self.name)),
            frozenset(file.name for file in variables),
        )

    def prepare(self) -> None:
        """The machine that is copied, renamed or deleted: off, with UEFI variables and a disk like the tiny image."""
        if self.what not in ("clone", "linked", "rename", "delete"):
            return
        self.host.run("cp", f"{FOLDER}/tiny.qcow2", f"{FOLDER}/{self.name}.qcow2")
        self.host.virsh("pool-refresh", POOL)
        file = self.host.lab.shared / "original.xml"
        file.write_text(_ORIGINAL.format(name=self.name, disk=f"{FOLDER}/{self.name}.qcow2"))
        self.host.virsh("define", str(file))
        self.host.virsh("start", self.name, "--paused")  # libvirt makes its UEFI variables
        self.host.virsh("destroy", self.name)
        wait_until("it is seen off", lambda: self.stack.machine(self.name)["state"] == "off", seconds=30)
        volume = "SELECT * FROM storage_volume WHERE name = ?"
        wait_until("its disk is seen", lambda: self.stack.rows(volume, f"{self.name}.qcow2"), seconds=60)

    def ask(self) -> int:
        """The job's number."""
        if self.what in _ORDERS:
            order = {"memory_bytes": 64 * MIB, "vcpus": 1, "virt_type": "qemu", "pool": POOL, "disks": [{"pool": POOL}], "nics": [{"source": "default"}]}
            wish = {"name": self.name, "host_id": self.stack.host(NAME)["id"], **order, **_ORDERS[self.what]}
            answer = self.stack.api.request("POST", "machines", {"machines": [wish]})
            assert answer.status == 202, answer
            assert answer.body[0]["job"], answer
            return int(answer.body[0]["job"]["id"])
        method, path, body = {
            "clone": ("POST", "clones", {"name": f"{self.name}-copy", "start": True}),
            "linked": ("POST", "clones", {"name": f"{self.name}-copy", "linked": True}),
            "rename": ("PUT", "name", {"name": f"{self.name}-copy"}),
            "delete": ("POST", "deletion", {"name": self.name, "disks": [f"{FOLDER}/{self.name}.qcow2"]}),
        }[self.what]
        answer = self.stack.api.request(method, f"machines/{self.stack.machine(self.name)['id']}/{path}", body)
        assert answer.status == 202, answer
        return int(answer.body["id"])

    def check(self, before: Left, after: Left, *, done: bool, runs: bool, why: Any) -> None:
        """`runs`: whether what was started can still be on."""
        if self.what == "rename":
            name = f"{self.name}-copy" if done else self.name
            assert after == Left(frozenset({name}), before.volumes, frozenset({f"{name}_VARS.fd"})), why
        elif self.what == "delete":
            assert after == (Left() if done else before), why
        elif not done:
            assert after == before, why
        else:
            made = f"{self.name}-copy" if self.what in ("clone", "linked") else self.name
            assert after.machines - before.machines == {made}, why
            if self.what != "linked" and runs:
                assert self.host.virsh("domstate", made) == "running"
        if self.what in ("clone", "linked", "rename") or (self.what == "delete" and not done):
            disk = self.host.virsh("domblklist", next(iter(after.machines & {self.name, f"{self.name}-copy"}))).split()[-1]
            if self.what != "rename":
                disk = self.host.virsh("domblklist", self.name).split()[-1]
            compare = f"qemu-img compare -U -f qcow2 -F qcow2 {disk} {FOLDER}/tiny.qcow2"
            assert "identical" in self.host.run("sh", "-c", compare), why

    def remove_all(self) -> None:
        """By the product, each machine with its disks; the common ground of linked ones at last, as its administrator would."""
        for name in sorted(self.left.machines, reverse=True):
            wait_until(f"{name} is known", lambda name=name: self.stack.machine(name), seconds=30)  # type: ignore[misc]
            disks = [line.split()[-1] for line in self.host.virsh("domblklist", name).splitlines()]
            wish = {"name": name, "disks": [disk for disk in disks if disk.startswith(f"{FOLDER}/{self.name}")], "force_off": True}
            answer = self.stack.api.request("POST", f"machines/{self.stack.machine(name)['id']}/deletion", wish)
            assert self.stack.wait_job(int(answer.body["id"]))["state"] == "done"
        for volume in self.left.volumes & {f"{self.name}.qcow2"}:
            self.host.virsh("vol-delete", volume, "--pool", POOL)


_ORDERS: dict[str, dict[str, Any]] = {
    "cloud": {"source": "cloud", "volume": "tiny.qcow2", "cloud_init": {"host_name": "{name}"}},
    "ova": {"source": "ova", "volume": "tiny.ova"},
    "vhdx": {"source": "image", "volume": "tiny.vhdx"},
    "large": {"source": "image", "volume": "large.qcow2"},
}

_ORIGINAL = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type><firmware><feature enabled='no' name='secure-boot'/></firmware></os>
<features><acpi/></features>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"""


def _die(death: Death, it: Scene, stack: Stack, job: int) -> None:
    reached = stack.directory / "reached"
    wait_until(
        f"{death.place} is reached",
        lambda: reached.exists() or _no((stack.job(job)["state"], stack.job(job)["phase"], stack.log[-1500:])),
        seconds=60,
        every=0.02,
    )
    reached.unlink()
    go = stack.directory / "go"
    if death.midway:
        go.touch()
        time.sleep(0.3)
    if death.who == "worker":
        stack.kill("quick" if death.what == "rename" else "long")
    elif death.who == "libvirtd":
        it.host.kill_libvirtd()
    else:
        it.host.power_cut()
    if death.who != "worker" and not death.midway:
        go.touch()
        wait_until("the worker noticed", lambda: not go.exists() or _no(), seconds=20)
    if death.who == "libvirtd":
        it.host.start_libvirtd()
    elif death.who == "host":
        it.host.start()


def _report(death: Death, ended: dict[str, Any], before: Left, after: Left) -> None:
    """For the table of all deaths."""
    if path := os.environ.get("WEBVIRT_DEATHS_REPORT"):
        with Path(path).open("a") as file:
            file.write(f"| {death} | {ended['state']} | {ended['error'][:140]} | {before} | {after} |\n")


def _no(why: object = "not yet") -> None:
    raise AssertionError(why)
