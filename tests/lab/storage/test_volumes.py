"""Pools and volumes of a real host, by the pages' own forms: each deed is seen on the host and comes back as a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import kit
from tests.lab.guests import Recipe
from tests.lab.lab import Host, Lab
from tests.stack import Stack
from tests.waiting import wait_until

FOLDER = "/srv/shared/volumes"


@pytest.fixture(scope="module")
def host(lab: Lab, stack: Stack) -> Any:
    """h1 with a pool that somebody made by virsh."""
    host = lab["h1"]
    host.run("mkdir", "-p", FOLDER)
    host.virsh("pool-define-as", "volumes", "dir", "--target", FOLDER)
    host.virsh("pool-start", "volumes")
    yield host
    if "volumes" in host.virsh("pool-list", "--name").split():
        host.virsh("pool-destroy", "volumes")
    host.virsh("pool-undefine", "volumes")


def test_volumes_are_made_copied_grown_wiped_and_deleted(host: Host, stack: Stack, online: None, new_tab: Callable[..., kit.Tab]) -> None:
    pool = _pool(stack)
    ask(stack, f"{pool}create/", name="disk.qcow2", size="64", unit="MiB", format="qcow2")
    assert _seen(stack, "disk.qcow2")["format"] == "qcow2"
    assert "qcow2" in host.virsh("vol-dumpxml", "disk.qcow2", "volumes")

    ask(stack, f"{pool}volumes/disk.qcow2/clone/", name="copy.qcow2", pool=str(_row(stack)["id"]))
    assert _seen(stack, "copy.qcow2")["capacity_bytes"] == 64 * 2**20
    ask(stack, f"{pool}volumes/copy.qcow2/resize/", size="96", unit="MiB")
    wait_until("the copy has grown", lambda: _seen(stack, "copy.qcow2")["capacity_bytes"] == 96 * 2**20, seconds=60)

    ask(stack, f"{pool}create/", name="plain.raw", size="1", unit="MiB", format="raw", full="on")
    _seen(stack, "plain.raw")
    host.run("sh", "-c", f"echo secret > {FOLDER}/mark && dd if={FOLDER}/mark of={FOLDER}/plain.raw conv=notrunc status=none && rm {FOLDER}/mark")
    ask(stack, f"{pool}volumes/plain.raw/wipe/", algorithm="zero", typed="plain.raw")
    assert "secret" not in host.run("sh", "-c", f"head -c 6 {FOLDER}/plain.raw | tr -d '\\0'")

    tab = new_tab()
    tab.open(pool)
    tab.page.get_by_text("copy.qcow2").first.wait_for()
    assert tab.violations() == []
    ask(stack, f"{pool}volumes/copy.qcow2/delete/", typed="copy.qcow2")
    tab.page.get_by_role("link", name="copy.qcow2").first.wait_for(state="detached", timeout=60_000)
    assert "copy.qcow2" not in host.virsh("vol-list", "volumes")


def test_what_a_machine_uses_is_left_alone(host: Host, stack: Stack, online: None) -> None:
    pool = _pool(stack)
    host.virsh("vol-create-as", "volumes", "used.qcow2", "32M", "--format", "qcow2")
    stack.web.get(pool)  # somebody looks: there is no event for a volume
    _seen(stack, "used.qcow2")
    path = host.virsh("vol-path", "used.qcow2", "--pool", "volumes")
    host.define(Recipe("keeper", disk=path))  # type: ignore[arg-type]
    wait_until("the machine is seen", lambda: stack.machine("keeper"), seconds=60)
    for deed, fields in (
        ("delete", {"typed": "used.qcow2"}),
        ("wipe", {"typed": "used.qcow2", "algorithm": "zero"}),
        ("resize", {"size": "64", "unit": "MiB"}),
    ):
        reply = stack.web.post(f"{pool}volumes/used.qcow2/{deed}/", fields)
        assert reply.status == 409 and b"keeper" in reply.body, f"{deed}: {reply.status}"
    assert "used.qcow2" in host.virsh("vol-list", "volumes")


def test_a_pool_stops_and_starts(host: Host, stack: Stack, online: None) -> None:
    pool = _pool(stack)
    ask(stack, f"{pool}power/", action="stop")
    wait_until("its row says so", lambda: _row(stack)["state"] != "running", seconds=60)
    assert "volumes" not in host.virsh("pool-list", "--name").split()
    ask(stack, f"{pool}power/", action="start")
    wait_until("its row says so", lambda: _row(stack)["state"] == "running", seconds=60)


def test_a_full_pool_says_so_and_keeps_nothing(lab: Lab, stack: Stack, host: Host, online: None) -> None:
    pool = _pool(stack)
    reply = stack.web.post(f"{pool}create/", {"name": "huge", "size": "60", "unit": "TiB", "format": "raw", "full": "on"})
    assert reply.status == 422 and b"room" in reply.body
    for name in ("../escape", "a/b", ".."):
        assert stack.web.post(f"{pool}create/", {"name": name, "size": "1", "unit": "MiB", "format": "raw"}).status == 422, name
    assert "huge" not in host.virsh("vol-list", "volumes")


def ask(stack: Stack, path: str, **fields: str) -> None:
    """Send a form and wait until its job has done what it says."""
    reply = stack.web.post(path, fields)
    assert reply.status == 204, f"{path}: {reply.status} {reply.body[:400]!r}"
    job = stack.wait_job(int(reply.headers["WV-Job"]), seconds=120)
    assert job["state"] == "done", f"{path}: {job['error']} {job['detail']}"


def _row(stack: Stack) -> dict[str, Any]:
    found = stack.rows("SELECT * FROM storage_pool WHERE name = 'volumes' AND gone_at IS NULL")
    assert found
    return found[0]


def _pool(stack: Stack) -> str:
    wait_until("the pool is known", lambda: bool(_row(stack)), seconds=90)
    return f"/storage/pools/{_row(stack)['id']}/"


def _seen(stack: Stack, name: str) -> dict[str, Any]:
    def look() -> Any:
        found = stack.rows("SELECT * FROM storage_volume WHERE name = ?", name)
        assert found, f"{name} is not known"
        return found[0]

    wait_until(f"{name} is known", look, seconds=90)
    return dict(look())
