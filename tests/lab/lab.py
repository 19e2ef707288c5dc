"""The lab for tests: real hypervisor hosts in namespaces of this machine (lab.sh says how), one object each.

``Lab.start()`` takes a free slot of the machine, so that several labs, of several test runs, live side by side.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import libvirt

from tests.lab.guests import Recipe, cache_directory, domain_xml
from tests.waiting import wait_until

SCRIPT = Path(__file__).with_name("lab.sh")
SSH_PORT = 2222
SLOTS = range(100, 200)

HostKey = Literal["own", "other"]

# https://libvirt.org/hooks.html: the machine's name, the operation
_HOOK = """#!/bin/sh
case $1/$2 in
  slow*/prepare) echo "$1 prepare" >> {log}; sleep {seconds} ;;
  slow*/started) echo "$1 started" >> {log} ;;
esac
"""


class Lab:
    """A number of hosts named h1, h2, …; index it with a name."""

    def __init__(self, slot: int, lock: TextIO) -> None:
        self.slot = slot
        self._lock = lock
        self.directory = _directory(slot)
        self.hosts: list[Host] = []

    @classmethod
    def start(cls, count: int = 3) -> Lab:
        """A running lab of ``count`` hosts in the first free slot. What a dead run left in that slot is cleared away."""
        slot, lock = _take_slot()
        lab = cls(slot, lock)
        lab.script("down")
        shutil.rmtree(lab.directory, ignore_errors=True)
        lab.script("up", str(count))
        lab.hosts = [Host(lab, number) for number in range(1, count + 1)]
        return lab

    def down(self) -> None:
        """End all hosts with everything that runs on them, and give the slot back."""
        self.script("down")
        self._lock.close()

    def __getitem__(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    @property
    def private_key(self) -> Path:
        """A key that every host lets in as root."""
        return self.directory / "ssh" / "id_ed25519"

    @property
    def shared(self) -> Path:
        """A directory that every host has as ``/srv/shared``."""
        return self.directory / "shared"

    def script(self, *arguments: str) -> str:
        """Run ``lab.sh`` for this lab; its output. ``AssertionError`` with its words when it fails."""
        done = subprocess.run([SCRIPT, *arguments], env=self._environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == 0, f"lab.sh {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout

    def repair(self) -> None:
        """Bring back every host that a test switched off, froze, unplugged, robbed of its libvirtd or gave another key."""
        for host in self.hosts:
            host.repair()

    def sweep(self) -> None:
        """Remove every domain."""
        for host in self.hosts:
            host.sweep()

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LAB_DIR": str(self.directory),
            "LAB_PREFIX": f"wv{self.slot}",
            "LAB_NET": f"10.231.{self.slot}",
            "LAB_LOOP": f"127.0.{self.slot}",
            "LAB_SSH_PORT": str(SSH_PORT),
            "LAB_CACHE": str(cache_directory() / "qemu-probe"),
        }


@dataclass(frozen=True)
class SshEndpoint:
    """How SSH reaches a host. ``host_key`` is the key it shows now, as ``ssh-ed25519 AAAA…``."""

    host: str
    port: int
    user: str
    private_key: Path
    host_key: str


class Host:
    """One host of a lab."""

    def __init__(self, lab: Lab, number: int) -> None:
        self.lab = lab
        self.number = number
        self.name = f"h{number}"
        self._repairs: dict[str, tuple[str, ...]] = {}

    # ── ways in ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def socket(self) -> Path:
        """libvirtd's socket, as this machine sees it."""
        return self.directory / "run" / "libvirt" / "libvirt-sock"

    @property
    def uri(self) -> str:
        """libvirt's address by the socket: the quickest way in."""
        return f"qemu+unix:///system?socket={self.socket}"

    @property
    def ssh_uri(self) -> str:
        """libvirt's address by SSH, with the lab's own key."""
        return self.lab.script("uri", self.name, "ssh").strip()

    @property
    def tls_uri(self) -> str:
        """libvirt's address by TLS, with the lab's client certificate."""
        return self.lab.script("uri", self.name, "tls").strip()

    @property
    def ssh_endpoint(self) -> SshEndpoint:
        """How SSH reaches this host from outside."""
        key = (self.directory / "ssh" / "host_key").resolve()
        public = key.with_name(f"{key.name}.pub").read_text().split()
        return SshEndpoint(
            host=f"127.0.{self.lab.slot}.{self.number}",
            port=SSH_PORT,
            user="root",
            private_key=self.lab.private_key,
            host_key=" ".join(public[:2]),
        )

    @property
    def directory(self) -> Path:
        return self.lab.directory / "hosts" / self.name

    # ── as an administrator of the host would ────────────────────────────────────────────────────────────────────────────────

    def run(self, *command: str) -> str:
        """Run a command on the host as root; its output."""
        return self.lab.script("exec", self.name, *command)

    def virsh(self, *arguments: str) -> str:
        """Run virsh against this host, as a colleague would who knows nothing of us; its output without blank lines around."""
        done = subprocess.run(["virsh", "-q", "-c", self.uri, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"virsh {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A libvirt connection of the test's own (a ``virConnect``)."""
        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            connection.close()

    def log(self, name: str) -> str:
        """A log file in the host's directory; "" before anybody wrote to it."""
        file = self.directory / name
        return file.read_text(errors="replace") if file.exists() else ""

    def authorize(self, public_key: str) -> None:
        """Let the holder of this key in as root."""
        with (self.directory / "home" / ".ssh" / "authorized_keys").open("a") as file:
            file.write(public_key.strip() + "\n")

    def open_door(self, port: int) -> None:
        """Let this TCP port be reached from outside, on the address where SSH and TLS are; until the host is off."""
        self.lab.script("door", self.name, str(port))

    def configure_qemu(self, text: str) -> None:
        """Replace its qemu.conf. libvirtd is started anew: it reads that when it starts."""
        (self.directory / "etc-libvirt" / "qemu.conf").write_text(text)
        self.kill_libvirtd()
        self.start_libvirtd()

    # ── machines ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def define(self, recipe: Recipe, *, start: bool = False) -> Guest:
        """Define a machine and perhaps start it."""
        with self.connection() as connection:
            domain = connection.defineXML(domain_xml(recipe))
            if start:
                domain.create()
        return Guest(self, recipe.name, recipe.uuid)

    def sweep(self) -> None:
        """Remove every domain, running or not."""
        with self.connection() as connection:
            for domain in connection.listAllDomains():
                if domain.isActive():
                    domain.destroy()
            for domain in connection.listAllDomains():
                domain.undefineFlags(
                    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
                )

    def slow_starts(self, seconds: float) -> None:
        """From now on every machine whose name begins with ``slow`` takes this long to start, by libvirt's own hook; ``starts()`` tells of it."""
        hook = self.directory / "etc-libvirt" / "hooks" / "qemu"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_HOOK.format(log=self.directory / "starts", seconds=seconds))
        hook.chmod(0o755)
        self.kill_libvirtd()  # it looks for hooks when it starts
        self.start_libvirtd()

    def starts(self, name: str) -> list[str]:
        """What libvirt did to start a machine whose start is slow, in order: ``prepare`` as it begins, ``started`` when it runs."""
        log = self.directory / "starts"
        lines = log.read_text().splitlines() if log.exists() else []
        return [step for line in lines for machine, step in [line.split()] if machine == name]

    # ── what can befall a host ───────────────────────────────────────────────────────────────────────────────────────────────

    def kill_libvirtd(self) -> None:
        """``kill -9``: its clients are cut off, its guests live on."""
        self._befall("kill-libvirtd", repair=("start-libvirtd",))

    def start_libvirtd(self) -> None:
        """Start libvirtd after it was killed."""
        self._mend("kill-libvirtd")

    def freeze(self) -> None:
        """Stop libvirtd as a debugger would: it accepts connections and never answers."""
        self._befall("freeze", repair=("continue",))

    def thaw(self) -> None:
        """Let a frozen libvirtd go on."""
        self._mend("freeze")

    def power_cut(self) -> None:
        """Everything on the host dies at once; what its disks hold stays."""
        self._repairs.clear()
        self._befall("power-cut", repair=("power-on",))

    def start(self) -> None:
        """Switch the host on again after a power cut."""
        self._mend("power-cut")

    def unplug(self) -> None:
        """SSH and TLS, open connections too, fall silent; new ones are accepted and get no answer."""
        self._befall("unplug", repair=("plug",))

    def plug(self) -> None:
        """Undo :meth:`unplug`."""
        self._mend("unplug")

    def show_host_key(self, which: HostKey) -> None:
        """Answer SSH with the host's own key, or with another one, as after a new installation or an attack."""
        self.lab.script("host-key", self.name, which)
        self._repairs["host-key"] = ("host-key", "own")
        if which == "own":
            del self._repairs["host-key"]

    def repair(self) -> None:
        """Undo all of the above that has not been undone."""
        for what in reversed(list(self._repairs)):
            self._mend(what)

    def _befall(self, what: str, *, repair: tuple[str, ...]) -> None:
        self.lab.script(what, self.name)
        self._repairs[what] = repair

    def _mend(self, what: str) -> None:
        command, *rest = self._repairs.pop(what)
        self.lab.script(command, self.name, *rest)


@dataclass(frozen=True)
class Guest:
    """A machine that a test defined on a host of the lab."""

    host: Host
    name: str
    uuid: str

    @property
    def state(self) -> str:
        """virsh's word: ``running``, ``shut off``, ``paused``, …"""
        return self.host.virsh("domstate", self.uuid)

    def wait_for_state(self, state: str, *, seconds: float = 15.0) -> None:
        """Until virsh says so."""
        wait_until(f"{self.name} is {state}", lambda: self.state == state, seconds=seconds, every=0.1)

    def wait_for_agent(self, *, seconds: float = 40.0) -> None:
        """Until the guest has booted so far that its agent answers."""

        def answers() -> bool:
            return "return" in self.host.virsh("qemu-agent-command", self.uuid, '{"execute":"guest-ping"}')

        wait_until(f"the agent of {self.name} answers", answers, seconds=seconds, every=0.3)

    def qemu_pid(self) -> int:
        """The process id of its QEMU, as this machine sees it."""
        pids = subprocess.run(["pgrep", "-f", "--", f"-uuid {self.uuid}"], capture_output=True, text=True).stdout.split()
        assert pids, f"{self.name} has no process"
        return int(pids[0])


def _take_slot() -> tuple[int, TextIO]:
    for slot in SLOTS:
        lock = Path(tempfile.gettempdir(), f"webvirt-lab-{slot}.lock").open("w")  # noqa: SIM115  (open, and so locked, for as long as the lab lives)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return slot, lock
    raise RuntimeError(f"all {len(SLOTS)} slots for labs are taken")


def _directory(slot: int) -> Path:
    return Path(tempfile.gettempdir(), f"webvirt-lab-{slot}")
