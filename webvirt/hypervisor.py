"""Finds the hypervisor of this very machine at the start, so that the first page shows something real.

The order: the system's libvirt if it answers; started if it is installed, we are root and nobody else starts it; else the session daemon, which libvirt
starts by itself for an ordinary user. What was found is said in one line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from virt import connection
from virt.connection import Connection
from virt.errors import VirtError
from virt.host import HostInfo
from virt.uri import Endpoint

SYSTEM = Endpoint(kind="local")
SESSION = Endpoint(kind="session")
# Sockets of the two shapes of libvirt: one daemon, or one for each kind of object.
_UNITS = ("libvirtd.socket", "virtqemud.socket virtnetworkd.socket virtstoraged.socket virtnodedevd.socket virtsecretd.socket")
_START_SECONDS = 20.0


def connect_this_machine() -> None:
    """Finds it, puts it among the hosts, says what it is."""
    from hosts.setup import ensure_local

    found = _system() or _session()
    if found is None:
        print("No hypervisor answers on this machine. Hosts elsewhere can be added on the page.")
        return
    try:
        # The first answer of a fresh libvirt takes its time: it tries out every QEMU it finds.
        info = found.info()
        print(_in_words(found.endpoint, info), ensure_local(found.endpoint, host_uuid=info.host_uuid))
    finally:
        found.close()


def _system() -> Connection | None:
    """The system's libvirt; as root it is started where it does not run."""
    try:
        return connection.open(SYSTEM)
    except VirtError as refusal:
        if os.geteuid() != 0:
            print(f"The system's libvirt is not open to this user: {refusal} (To use it: sudo usermod -aG libvirt $USER, and sign in again.)")
            return None
    return _wait_for(SYSTEM) if _start_system_libvirt() else None


def _session() -> Connection | None:
    # For root both names mean the same daemon: https://libvirt.org/uri.html
    if os.geteuid() == 0 or not (shutil.which("libvirtd", path=_daemon_path()) or shutil.which("virtqemud", path=_daemon_path())):
        return None
    try:
        return connection.open(SESSION)
    except VirtError as refusal:
        print(f"The session's libvirt does not answer: {refusal}")
        return None


def _start_system_libvirt() -> bool:
    """Starts libvirt as the machine's own service: it stays when we stop, because machines depend on it."""
    if Path("/run/systemd/system").is_dir():
        return any(_run(["systemctl", "start", *units.split()]) for units in _UNITS)
    libvirtd = shutil.which("libvirtd", path=_daemon_path())
    if libvirtd is None:
        return False
    print("Nobody starts libvirt on this machine: starting virtlogd and libvirtd (they stay when WebVirt stops).")
    if virtlogd := shutil.which("virtlogd", path=_daemon_path()):
        _run([virtlogd, "--daemon"])
    return _run([libvirtd, "--daemon"])


def _wait_for(endpoint: Endpoint) -> Connection | None:
    give_up_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            return connection.open(endpoint)
        except VirtError as refusal:
            if time.monotonic() > give_up_at:
                print(f"libvirt was started but does not answer: {refusal}")
                return None
            time.sleep(0.2)


def _in_words(endpoint: Endpoint, info: HostInfo) -> str:
    where = "qemu:///system" if endpoint == SYSTEM else "qemu:///session"
    speed = "with KVM" if info.kvm else "by emulation only, which is slow: libvirt offers no KVM here"
    return f"This machine: {info.hypervisor} {info.hypervisor_version} {speed}, libvirt {info.libvirt_version} at {where}."


def _run(command: list[str]) -> bool:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=_START_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError) as problem:
        print(f"{command[0]}: {problem}")
        return False


def _daemon_path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
