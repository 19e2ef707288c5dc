"""A fleet for scale: many daemons of libvirt's test driver (fleet.sh says how), one object each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt

from tests import processes
from tests.waiting import wait_until

SCRIPT = Path(__file__).with_name("fleet.sh")


class Fleet:
    """``count`` daemons in a new directory; index it with a number from 0."""

    def __init__(self, count: int) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="webvirt-fleet-"))
        self.hosts: list[FleetHost] = []
        self.grow(count)

    def __getitem__(self, index: int) -> FleetHost:
        return self.hosts[index]

    def __len__(self) -> int:
        return len(self.hosts)

    def grow(self, count: int) -> None:
        """Start as many more daemons as are missing to ``count``."""
        if count > len(self.hosts):
            self._script("up", str(count))
        self.hosts += [FleetHost(self.directory / str(number), number) for number in range(len(self.hosts) + 1, count + 1)]

    def populate(self, machines: int, *, running: int) -> None:
        """Give every daemon exactly this many machines, ``running`` of them started."""
        for host in self.hosts:
            host.populate(machines, running=running)

    def down(self) -> None:
        """End all daemons."""
        self._script("down")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _script(self, *arguments: str) -> None:
        done = subprocess.run(
            [SCRIPT, *arguments],
            env={**os.environ, "FLEET_DIR": str(self.directory)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=180,
        )
        assert done.returncode == 0, f"fleet.sh {' '.join(arguments)}: {done.stderr}"


class FleetHost:
    """One daemon; it calls itself ``thost<number>``."""

    def __init__(self, directory: Path, number: int) -> None:
        self.directory = directory
        self.number = number
        self.name = f"thost{number}"
        self._keeper: Any = None

    @property
    def uri(self) -> str:
        return f"test+unix:///default?socket={self.directory}/libvirt-sock"

    @property
    def pid(self) -> int:
        return int((self.directory / "pid").read_text())

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A libvirt connection of the test's own (a ``virConnect``)."""
        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            connection.close()

    def populate(self, machines: int, *, running: int) -> None:
        """Have exactly this many machines, named ``<host>-m000`` and so on, the first ``running`` of them started."""
        # The test driver forgets its machines when the last client leaves; this one stays.
        self._keeper = self._keeper or libvirt.open(self.uri)
        _sweep(self._keeper)
        for index in range(machines):
            domain = self._keeper.defineXML(_test_domain(f"{self.name}-m{index:03d}"))
            if index < running:
                domain.create()

    def running(self) -> list[str]:
        """The uuids of the machines that are on, paused ones too."""
        return [domain.UUIDString() for domain in self._keeper.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)]

    def toggle(self, uuid: str) -> float:
        """Pause a running machine, or let a paused one run; ``time.perf_counter()`` just before the call that did it."""
        domain = self._keeper.lookupByUUIDString(uuid)
        running = domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        began = time.perf_counter()
        if running:
            domain.suspend()
        else:
            domain.resume()
        return began

    def freeze(self) -> None:
        """Accept connections and never answer."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the daemon, and its machines with it: the test driver keeps them in memory."""
        pid, self._keeper = self.pid, None
        os.kill(pid, signal.SIGKILL)
        wait_until(f"{self.name} is gone", lambda: not processes.lives(pid))

    def restart(self) -> None:
        """Start the daemon again, as empty as a new one."""
        self._keeper = None
        subprocess.run([SCRIPT, "up", str(self.number)], env={**os.environ, "FLEET_DIR": str(self.directory.parent)}, check=True, timeout=60)


def _sweep(connection: Any) -> None:
    for domain in connection.listAllDomains():
        if domain.isActive():
            domain.destroy()
        domain.undefine()


def _test_domain(name: str) -> str:
    """About what a usual machine has, so that reading it costs what it costs on a real host. ``name`` is ours: letters and digits."""
    return f"""<domain type='test'><name>{name}</name><memory unit='MiB'>2048</memory><vcpu>2</vcpu>
      <os><type arch='i686'>hvm</type><boot dev='hd'/></os><features><acpi/><apic/></features>
      <devices>
        <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
          <source file='/var/lib/libvirt/images/{name}.qcow2'/><target dev='vda' bus='virtio'/></disk>
        <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
        <interface type='network'><source network='default'/><model type='virtio'/></interface>
        <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>
        <video><model type='virtio'/></video>
      </devices></domain>"""
