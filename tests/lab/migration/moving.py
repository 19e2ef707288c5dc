"""A guest with a disk whose machine is moved by the product: what it holds is compared before and after."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import libvirt

from tests.lab.guests import Image
from tests.lab.lab import Guest, Host, Lab
from tests.lab.snapshots.guest import Writing
from tests.stack import Stack
from tests.waiting import wait_until

HOSTS = ("h1", "h2", "h3")
LOCAL, OTHER = "/var/lib/libvirt/images", "/var/lib/libvirt/boot"  # of each host its own
_SET_WAYS = """
import json, sys
from hosts.models import Host
from machines.migration import ways
for name, (libvirt, data) in json.load(sys.stdin).items():
    ways.set_way(Host.objects.get(name=name), libvirt=libvirt, data=data)
"""


def set_ways(stack: Stack, transport: str = "tcp", hosts: tuple[str, ...] = HOSTS, of: str = "") -> None:
    """How the hosts of the lab reach each other. `of`: have one host believe that it is at another's."""
    stack.manage("shell", "-c", _SET_WAYS, input=json.dumps({of or name: (f"qemu+{transport}://{name}/system", "") for name in hosts}))


def make_pools(lab: Lab) -> None:
    """On each host two folders of its own."""
    for host in lab.hosts:
        for name, path in (("local", LOCAL), ("other", OTHER)):
            if name not in host.virsh("pool-list", "--name", "--all").split():
                host.virsh("pool-define-as", name, "dir", "--target", path)
                host.virsh("pool-autostart", name)
            if name not in host.virsh("pool-list", "--name").split():
                host.virsh("pool-start", name)


@contextmanager
def when(host: Host, uuid: str, event: int, deed: Callable[[], object], *, detail: int | None = None) -> Iterator[threading.Event]:
    """Do it, once, as libvirt on a host tells of an event of a machine; what is yielded says that it was done."""
    happened = threading.Event()

    def seen(_connection: object, domain: libvirt.virDomain, which: int, why: int, _opaque: object) -> None:
        if which == event and detail in (None, why) and domain.UUIDString() == uuid and not happened.is_set():
            deed()
            happened.set()

    _turn_events()
    connection = libvirt.open(host.uri)
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, seen, None)  # type: ignore[arg-type]
    try:
        yield happened
    finally:
        with suppress(libvirt.libvirtError):
            connection.close()


def _turn_events() -> None:
    """libvirt's loop, once in this process."""
    from virt.loop import Loop

    Loop.start()


def plug_cable(lab: Lab, name: str, state: str) -> None:
    """With "down" this host does not reach the others any more, nor they it. The portal does, by its socket."""
    inside = ["ip", "-n", f"wv{lab.slot}-{name}"]
    subprocess.run([*inside, "link", "set", "eth0", state], check=True)
    if state == "up":
        subprocess.run([*inside, "route", "replace", "default", "via", f"10.231.{lab.slot}.1"], check=True)


def notice_sooner(host: Host) -> None:
    """Its libvirtd counts a host to which it moves something as lost after five seconds of silence, instead of half a minute."""
    with (host.directory / "etc-libvirt" / "qemu.conf").open("a") as file:
        file.write("keepalive_interval = 1\nkeepalive_count = 4\n")
    host.kill_libvirtd()
    host.start_libvirtd()


class Moving(Writing):
    """`guest` is where it was made; `on` is where it is."""

    @classmethod
    def make(cls, stack: Stack, host: Host, name: str, image: Image | None, **more: Any) -> Moving:  # type: ignore[override]
        made = Writing.make(stack, host, name, image, **more)
        return cls(made.lab, made.stack, made.guest)

    def on(self, host: str) -> Moving:
        """The same machine, asked by way of another host."""
        return Moving(self.lab, self.stack, Guest(self.lab[host], self.guest.name, self.guest.uuid))

    @property
    def here(self) -> Moving:
        """The same machine, by way of the host that it is on."""
        (host,) = self.where(self.lab)
        return self.on(host)

    def ask_to_move(self, target: str, **wish: Any) -> int:
        body = {"target": self.stack.host(target)["id"], **wish}
        answer = self.stack.api.request("POST", f"machines/{self.number}/move", body)
        assert answer.status == 202, answer
        return int(answer.body["id"])

    def move(self, target: str, **wish: Any) -> Moving:
        """Until it is there and shown there, and nowhere else."""
        number = self.number
        self.done(self.ask_to_move(target, **wish))
        self.is_only_on(target, number)
        there = self.on(target)
        there.be_patient()
        if there.guest.state == "running" and self.stack.machine(self.guest.name)["agent"]:
            there.guest.wait_for_agent()
        return there

    def be_patient(self) -> None:
        """On a busy machine its agent takes longer than libvirt's five seconds, and libvirt does not ask again after that."""
        if self.guest.state == "running":
            self.guest.host.virsh("guest-agent-timeout", self.guest.uuid, "--timeout", "60")

    def is_only_on(self, target: str, number: int) -> None:
        """One machine, one row: the one that it had. (Where it was for a moment, there may be one more that says so.)"""
        there, living = self.stack.host(target)["id"], "SELECT * FROM machines_machine WHERE uuid = ? AND gone_at IS NULL"
        rows = lambda: [(row["id"], row["host_id"]) for row in self.stack.rows(living, self.guest.uuid)]  # noqa: E731
        try:
            wait_until("its row is the target's", lambda: rows() == [(number, there)], seconds=20)
        except AssertionError:
            raise AssertionError((rows(), self.where(self.lab), self.stack.log[-6000:])) from None
        assert self.where(self.lab) == [target]

    def where(self, lab: Lab) -> list[str]:
        """The hosts that know it."""
        return [host.name for host in lab.hosts if self.guest.uuid in host.virsh("list", "--all", "--uuid").split()]

    def keep_changing(self) -> None:
        """Its memory, for ever, but so that its agent still gets a word in on a busy machine."""
        self.sh("( while :; do dd if=/dev/urandom of=/tmp/dirt bs=256k count=8 2>/dev/null; sleep 0.3; done ) >/dev/null 2>&1 &")

    def change_faster(self) -> None:
        """More than a narrow link carries: its memory would never be the same on both hosts."""
        self.sh("touch /tmp/fast; ( while [ -e /tmp/fast ]; do dd if=/dev/urandom of=/tmp/more bs=1M count=24 2>/dev/null; done ) >/dev/null 2>&1 &")

    def change_slower(self) -> None:
        self.sh("rm /tmp/fast /tmp/more")

    def keep_writing(self) -> None:
        """To the disk, for ever, behind what the test compares."""
        self.sh("( while :; do dd if=/dev/urandom of=/dev/vda bs=1M seek=32 count=2 conv=notrunc 2>/dev/null; sync; sleep 0.3; done ) >/dev/null 2>&1 &")

    def digest(self, mib: int) -> str:
        """Of what `fill` wrote, all of it: one that could not be read to its end is no digest."""
        told = self.sh(f"dd if=/dev/vda bs=1M skip=1 count={mib} iflag=direct 2>/tmp/read | md5sum; cat /tmp/read")
        assert f"{mib}+0 records in" in told, told
        return told.split()[0]

    @property
    def disk_path(self) -> str:
        lines = self.guest.host.virsh("domblklist", self.guest.uuid).splitlines()
        return next(line.split()[1] for line in lines if line.split()[0] == "vda")

    def files_on(self, host: Host, folder: str) -> set[str]:
        """What lies in a folder of a host with its name."""
        return {name for name in host.run("ls", folder).split() if name.split(".")[0] == self.guest.name}

    def names_on(self, host: Host) -> set[str]:
        """Its snapshots, as a host knows them."""
        if self.guest.uuid not in host.virsh("list", "--all", "--uuid").split():
            return set()
        return set(host.virsh("snapshot-list", self.guest.uuid, "--name").split())

    def history(self) -> list[str]:
        return [row["words"] for row in self.stack.rows("SELECT words FROM machines_event WHERE machine_id = ? ORDER BY id", self.number)]
