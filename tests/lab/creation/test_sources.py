"""Each source makes a machine whose guest answers; what can't be made leaves nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts import connections
from hosts.models import Host as HostRow
from hosts.models import State
from jobs import submit as jobs
from jobs.models import Job
from jobs.registry import find
from jobs.work import Cancelled, Work
from machines.creation.models import Creation
from machines.creation.order import DiskOrder, NicOrder, Order
from machines.models import Machine
from tests.inventory import person
from tests.lab.creation.conftest import POOL
from tests.lab.lab import Guest, Host
from tests.waiting import wait_until
from virt.errors import Invalid, VirtError

MIB = 2**20


@pytest.fixture
def row(stocked: Host, db: None, redis: Path) -> Iterator[HostRow]:
    host = HostRow.objects.create(name="h1", kind="socket", path=str(stocked.socket), state=State.ONLINE, kvm=False)
    yield host
    connections.drop(host.pk)


def make(row: HostRow, name: str, order: Order) -> Work:
    """What the worker is given."""
    creation = Creation.objects.create(host=row, uuid=str(uuid.uuid4()), name=name, order=order.plain())
    return Work(jobs.submit("machines.creation.create", creation.subject, asked_by=person(f"asks-for-{name}", administrator=True)))


def order(source: Any, volume: str = "", **more: Any) -> Order:
    usual: dict[str, Any] = {"memory_bytes": 192 * MIB, "vcpus": 1, "nics": (NicOrder("default"),), "pool": POOL if volume else "", "volume": volume}
    return Order(source, **usual | more)


def files(host: Host) -> set[str]:
    return set(host.virsh("vol-list", POOL).split())


DISK = (DiskOrder(POOL),)


@pytest.mark.parametrize(
    "wanted",
    [
        order("iso", "tiny.iso", disks=(DiskOrder(POOL, 64 * MIB),)),
        order("image", "stream.vmdk", disks=DISK),
        order("image", "tiny.vhdx", disks=(DiskOrder(POOL, 64 * MIB),)),
        order("ova", "tiny.ova", disks=DISK),
    ],
    ids=["iso", "vmdk", "vhdx", "ova"],
)
def test_its_guest_answers(wanted: Order, row: HostRow, stocked: Host) -> None:
    name = f"made-{wanted.source}-{wanted.volume.partition('.')[2]}"
    work = make(row, name, wanted)
    find("machines.creation.create")(work)
    guest = Guest(stocked, name, Creation.objects.get().uuid)
    guest.wait_for_agent(seconds=120)
    assert Creation.objects.get().made == []
    stocked.virsh("destroy", name)


def test_every_format_becomes_the_same_disk(row: HostRow, stocked: Host) -> None:
    """Not booted again: byte for byte what qemu-img says it is."""
    for volume in ("tiny.qcow2", "sparse.vmdk", "tiny.vdi", "tiny.vhd", "fixed.vhd"):
        name = f"same-{volume.replace('.', '-')}"
        find("machines.creation.create")(make(row, name, order("image", volume, disks=DISK, start=False)))
        made = next(file for file in files(stocked) if file.startswith(f"{name}-") and file.endswith(".qcow2"))
        assert "identical" in stocked.run("sh", "-c", f"cd /srv/shared/images-h1 && qemu-img compare -f qcow2 -F raw {made} tiny.iso")
        stocked.virsh("undefine", name)


def test_a_cloud_image_hears_its_host_name(row: HostRow, stocked: Host) -> None:
    wanted = order("cloud", "tiny.qcow2", disks=DISK, seed={"host_name": "{name}-a", "user": "anna"})
    find("machines.creation.create")(make(row, "cloudy", wanted))
    guest = Guest(stocked, "cloudy", Creation.objects.get().uuid)
    guest.wait_for_agent(seconds=120)
    wait_until("its name is the seed's", lambda: "cloudy-a" in stocked.virsh("guestinfo", "cloudy", "--hostname"), seconds=30)
    stocked.virsh("destroy", "cloudy")


def test_what_fails_or_is_cancelled_leaves_nothing(row: HostRow, stocked: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(stocked)
    failing = order("image", "tiny.vhdx", disks=(DiskOrder(POOL), DiskOrder(POOL, 10 * MIB)), nics=(NicOrder("no-such-network"),))
    with pytest.raises(VirtError):
        find("machines.creation.create")(make(row, "fails", failing))
    cancelled = make(row, "cancelled", order("ova", "tiny.ova", disks=DISK))
    monkeypatch.setattr(cancelled, "progress", lambda percent: cancelled._cancel.set())
    with pytest.raises(Cancelled):
        find("machines.creation.create")(cancelled)
    assert files(stocked) == before
    assert not {"fails", "cancelled"} & set(stocked.virsh("list", "--all", "--name").split())
    assert [creation.made for creation in Creation.objects.all()] == [[], []]


def test_an_image_that_leads_elsewhere_is_refused_before_anybody_opens_it(row: HostRow, stocked: Host) -> None:
    folder = "/srv/shared/images-h1"
    stocked.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/hostname", "-F", "raw", f"{folder}/evil.qcow2")
    (stocked.lab.shared / "images-h1" / "evil.vmdk").write_text('# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/hostname" 0\n')
    stocked.virsh("pool-refresh", POOL)
    before = files(stocked)
    for volume, why in (("evil.qcow2", "backing file"), ("evil.vmdk", "names other files")):
        for source in ("image", "cloud"):
            with pytest.raises(Invalid, match=why):
                find("machines.creation.create")(make(row, f"{source}-{volume}", order(source, volume, disks=DISK)))
    with pytest.raises(Invalid, match="in no pool"):
        find("machines.creation.create")(make(row, "existing", order("volume", "evil.qcow2")))
    assert files(stocked) == before


def test_a_machine_is_copied_renamed_and_deleted(row: HostRow, stocked: Host) -> None:
    find("machines.creation.create")(make(row, "original", order("image", "tiny.qcow2", disks=DISK, start=False)))
    before = files(stocked)
    machine = Machine.objects.create(host=row, uuid=Creation.objects.get().uuid, name="original")
    copy = Creation.objects.create(host=row, uuid=str(uuid.uuid4()), name="copy", order=order("empty", start=True).plain())
    params = {"creation": copy.pk, "uuid": machine.uuid, "pool": ""}
    find("machines.creation.clone")(Work(jobs.submit("machines.creation.clone", machine.subject, asked_by=None, params=params)))
    guest = Guest(stocked, "copy", copy.uuid)
    guest.wait_for_agent(seconds=120)
    macs = {name: stocked.virsh("domiflist", name).split()[-1] for name in ("original", "copy")}
    assert macs["original"] != macs["copy"]
    Job.objects.all().delete()
    find("machines.creation.rename")(Work(jobs.submit("machines.creation.rename", machine.subject, asked_by=None, params={"name": "renamed"})))
    assert stocked.virsh("domuuid", "renamed") == machine.uuid
    row_of_copy = Machine.objects.create(host=row, uuid=copy.uuid, name="copy")
    disks = [line.split()[-1] for line in stocked.virsh("domblklist", "copy").splitlines()]
    foreign = "/srv/shared/images-h1/tiny.iso"
    params = {"disks": [*disks, foreign], "force_off": True}
    result = find("machines.creation.delete")(Work(jobs.submit("machines.creation.delete", row_of_copy.subject, asked_by=None, params=params)))
    assert result == {"deleted": disks, "kept": {foreign: "The machine does not use it (any more)."}}
    assert files(stocked) == before
