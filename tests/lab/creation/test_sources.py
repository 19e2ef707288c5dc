"""Each source makes a machine whose guest answers; what can't be made leaves nothing."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.secrets import seal
from hosts.models import Host as HostRow
from jobs import submit as jobs
from jobs.models import Job
from jobs.registry import Fate, find
from jobs.work import Cancelled, Work
from machines.creation.models import Creation
from machines.creation.order import DiskOrder, NicOrder, Order
from machines.models import Machine
from tests.inventory import person
from tests.lab.creation.conftest import POOL
from tests.lab.guests import Image
from tests.lab.lab import Guest, Host
from tests.waiting import wait_until
from virt.errors import HostUnreachable, Invalid, VirtError

MIB = 2**20


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
        order("image", "sparse.vmdk", disks=DISK),
        order("image", "tiny.vhdx", disks=(DiskOrder(POOL, 64 * MIB),)),
        order("ova", "tiny.ova", disks=DISK),
        order("volume", "tiny.qcow2"),
    ],
    ids=["iso", "vmdk", "vmdk in several files", "vhdx", "ova", "existing"],
)
def test_its_guest_answers(wanted: Order, row: HostRow, stocked: Host) -> None:
    name = f"made-{wanted.source}-{wanted.volume.replace('.', '-')}"
    work = make(row, name, wanted)
    find("machines.creation.create")(work)
    guest = Guest(stocked, name, Creation.objects.get().uuid)
    guest.wait_for_agent(seconds=120)
    assert Creation.objects.get().made == []
    stocked.virsh("destroy", name)
    stocked.virsh("undefine", name)


def test_what_has_no_system_yet_runs_its_firmware(row: HostRow, stocked: Host) -> None:
    find("machines.creation.create")(make(row, "bare", order("empty")))
    assert stocked.virsh("domstate", "bare") == "running"
    stocked.virsh("destroy", "bare")
    stocked.virsh("undefine", "bare")


@pytest.fixture
def boots(stocked: Host, tiny_guest: Image) -> Iterator[str]:
    """The name of a network that gives its machines the tiny guest to boot from."""
    folder = stocked.lab.shared / "boot-h1"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(tiny_guest.kernel, folder / "vmlinuz")
    shutil.copyfile(tiny_guest.initrd, folder / "initrd.gz")
    (folder / "boot.ipxe").write_text("#!ipxe\nkernel vmlinuz console=ttyS0 quiet initrd=initrd.gz\ninitrd initrd.gz\nboot\n")
    xml = """<network><name>boots</name><bridge name='virbr-boots'/><ip address='10.77.3.1' prefix='24'><tftp root='/srv/shared/boot-h1'/>
      <dhcp><range start='10.77.3.10' end='10.77.3.50'/><bootp file='boot.ipxe'/></dhcp></ip></network>"""
    (folder / "network.xml").write_text(xml)
    stocked.virsh("net-define", str(folder / "network.xml"))
    stocked.virsh("net-start", "boots")
    yield "boots"
    stocked.virsh("net-destroy", "boots")
    stocked.virsh("net-undefine", "boots")


def test_what_boots_from_the_network_and_what_is_given_as_xml_answer(row: HostRow, stocked: Host, boots: str) -> None:
    find("machines.creation.create")(make(row, "from-network", order("network", disks=(DiskOrder(POOL, 8 * MIB),), nics=(NicOrder(boots),))))
    Guest(stocked, "from-network", Creation.objects.get().uuid).wait_for_agent(seconds=150)
    xml = stocked.virsh("dumpxml", "from-network", "--inactive")
    stocked.virsh("destroy", "from-network")
    work = make(row, "own-xml", order("xml"))
    Creation.objects.filter(name="own-xml").update(sealed=seal(json.dumps({"xml": xml, "password_hash": "", "user_data": ""})))
    find("machines.creation.create")(work)
    made = Creation.objects.get(name="own-xml")
    assert made.sealed == ""
    Guest(stocked, "own-xml", made.uuid).wait_for_agent(seconds=150)
    stocked.virsh("destroy", "own-xml")


def test_every_format_becomes_the_same_disk(row: HostRow, stocked: Host) -> None:
    """Not booted again: byte for byte what qemu-img says it is."""
    for volume in ("tiny.iso", "tiny.qcow2", "mono.vmdk", "flat.vmdk", "one.vmdk", "tiny.vdi", "tiny.vhd", "fixed.vhd"):
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
    for volume, why in (("evil.qcow2", "backing file"), ("evil.vmdk", "outside of its folder")):
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
    params = {"name": "renamed", "was": "original"}
    find("machines.creation.rename")(Work(jobs.submit("machines.creation.rename", machine.subject, asked_by=None, params=params)))
    assert stocked.virsh("domuuid", "renamed") == machine.uuid
    row_of_copy = Machine.objects.create(host=row, uuid=copy.uuid, name="copy")
    disks = [line.split()[-1] for line in stocked.virsh("domblklist", "copy").splitlines()]
    foreign = "/srv/shared/images-h1/tiny.iso"
    params = {"disks": [*disks, foreign], "force_off": True}
    result = find("machines.creation.delete")(Work(jobs.submit("machines.creation.delete", row_of_copy.subject, asked_by=None, params=params)))
    assert result == {"deleted": disks, "kept": {foreign: "The machine does not use it (any more)."}}
    assert files(stocked) == before


def test_a_linked_clone_and_its_original_both_go_on(row: HostRow, stocked: Host) -> None:
    """Each in a file of its own: what one writes, the other does not see; the common ground stays while one of them needs it."""
    before = files(stocked)
    find("machines.creation.create")(make(row, "ground", order("image", "tiny.qcow2", disks=DISK, start=False)))
    machine = Machine.objects.create(host=row, uuid=Creation.objects.get().uuid, name="ground")
    copy = Creation.objects.create(host=row, uuid=str(uuid.uuid4()), name="linked", order=order("empty", start=True).plain())
    params = {"creation": copy.pk, "uuid": machine.uuid, "pool": "", "linked": True}
    find("machines.creation.clone")(Work(jobs.submit("machines.creation.clone", machine.subject, asked_by=None, params=params)))
    stocked.virsh("start", "ground")
    for name, number in (("ground", machine.uuid), ("linked", copy.uuid)):
        Guest(stocked, name, number).wait_for_agent(seconds=120)
    disks = {name: stocked.virsh("domblklist", name).split()[-1] for name in ("ground", "linked")}
    assert disks["ground"] != disks["linked"]
    Job.objects.all().delete()
    for name, number in (("linked", copy.uuid), ("ground", machine.uuid)):
        subject = (Machine.objects.filter(uuid=number).first() or Machine.objects.create(host=row, uuid=number, name=name)).subject
        wish = {"disks": [disks[name]], "force_off": True}
        result = find("machines.creation.delete")(Work(jobs.submit("machines.creation.delete", subject, asked_by=None, params=wish)))
        assert result == {"deleted": [disks[name]], "kept": {}}
    (ground,) = {name for name in files(stocked) - before if "/" not in name}
    stocked.virsh("vol-delete", ground, "--pool", POOL)


def test_a_worker_that_dies_before_the_original_moved_leaves_no_linked_clone(row: HostRow, stocked: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone whose original still writes to the common ground would be broken by its first write: it is not kept."""
    find("machines.creation.create")(make(row, "still", order("image", "tiny.qcow2", disks=DISK, start=False)))
    before = files(stocked)
    machine = Machine.objects.create(host=row, uuid=Creation.objects.get().uuid, name="still")
    copy = Creation.objects.create(host=row, uuid=str(uuid.uuid4()), name="half", order=order("empty", start=False).plain())
    params = {"creation": copy.pk, "uuid": machine.uuid, "pool": "", "linked": True}
    work = Work(jobs.submit("machines.creation.clone", machine.subject, asked_by=None, params=params))

    def die(_: object) -> None:
        raise HostUnreachable("The host is gone.")

    monkeypatch.setattr("machines.creation.cloning.Cloning.before_start", die)
    with pytest.raises(HostUnreachable):
        find("machines.creation.clone")(work)
    assert "half" in stocked.virsh("list", "--all", "--name").split()
    assert find("machines.creation.clone").settle(work) == Fate.NOT_DONE
    assert "half" not in stocked.virsh("list", "--all", "--name").split()
    assert files(stocked) == before
    stocked.virsh("undefine", "still")
