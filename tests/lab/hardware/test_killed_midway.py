"""A worker, or the host's libvirtd, is killed while a device is being pulled out of a guest that does not let go: the job says what is true."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guests import Recipe
from tests.lab.lab import Guest, Host, Lab
from tests.stack import Stack
from tests.waiting import wait_until

# A worker counts as dead after 30 s without a heartbeat; then a sweep asks the host.
SETTLED_SECONDS = 90.0


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """One of its own: its processes get killed here."""
    stack = Stack.start()
    stack.add_hosts({name: lab[name].uri for name in ("h1", "h2")})
    for name in ("h1", "h2"):
        wait_until(f"{name} is online", lambda name=name: stack.host(name)["state"] == "online", seconds=30)  # type: ignore[misc]
    yield stack
    stack.stop()


def test_killed_midway(stack: Stack, lab: Lab) -> None:
    """Firmware without a system lets go of nothing: between the saved definition and the running machine there is time to kill."""
    beside, gone = _stubborn(stack, lab, lab["h2"], "beside"), _stubborn(stack, lab, lab["h1"], "gone")
    cut = _remove_disk(stack, beside)
    lab["h2"].kill_libvirtd()
    lab["h2"].start_libvirtd()
    orphan = _remove_disk(stack, gone)
    stack.kill("quick")
    for job, guest in ((cut, beside), (orphan, gone)):
        ended = stack.wait_job(job, seconds=SETTLED_SECONDS)
        assert ended["state"] == "done", ended["error"]
        lines = [row["text"] for row in stack.rows("SELECT text FROM jobs_jobline WHERE job_id = ? ORDER BY id", job)]
        assert "It is saved, and takes effect at next boot. The running machine does not show it." in lines
        assert lines.count("Saving the definition") == 1
        assert "vda" in guest.host.virsh("domblklist", guest.uuid)
        assert "vda" not in guest.host.virsh("domblklist", guest.uuid, "--inactive")
        number = stack.machine(guest.name)["id"]
        wait_until(
            "it is pending", lambda number=number: [each["verb"] for each in stack.api.get(f"machines/{number}/hardware")["pending"]] == ["remove"], seconds=30
        )  # type: ignore[misc]


def _stubborn(stack: Stack, lab: Lab, host: Host, name: str) -> Guest:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(lab.shared / f"{name}.qcow2"), "8M"], check=True)
    guest = host.define(Recipe(name, disk=Path(f"/srv/shared/{name}.qcow2")), start=True)
    wait_until(f"{name} is known", lambda: stack.machine(name)["state"] == "running", seconds=30)
    return guest


def _remove_disk(stack: Stack, guest: Guest) -> int:
    """Ask for it; return in the middle, once the stored definition has it no more and the running machine is asked."""
    number = stack.machine(guest.name)["id"]
    wish = {"based_on": stack.api.get(f"machines/{number}/hardware")["digest"], "edits": [{"verb": "remove", "kind": "disk", "key": "vda"}]}
    answer = stack.api.request("PATCH", f"machines/{number}/hardware", wish)
    assert answer.status == 202, answer
    job = int(answer.body["id"])
    wait_until("it is in the middle", lambda: stack.job(job)["phase"] == "Unplugging Disk vda", seconds=20)
    assert "vda" not in guest.host.virsh("domblklist", guest.uuid, "--inactive")
    return job
