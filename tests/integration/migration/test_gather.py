"""From rows to facts: what the rules are told is what the watcher saw, and it takes few queries however many are meant."""

from __future__ import annotations

from typing import Any

import pytest

from hosts.models import Host
from hosts.networks.models import Network
from hosts.storage.models import Volume
from jobs.models import Job
from machines.migration.checks.facts import Reach, Store, Way
from machines.migration.checks.gather import Ground
from machines.migration.checks.rules import blockers, judge
from machines.migration.models import Move
from machines.models import Machine
from machines.snapshots.models import Snapshot
from tests.integration.migration.conftest import GIB, a_machine

PCI = '<hostdev mode="subsystem" type="pci"><source><address domain="0x0000" bus="0x41" slot="0x00" function="0x2"/></source></hostdev>'
SHARE = '<filesystem type="mount"><driver type="virtiofs"/><source dir="/srv/share"/><target dir="share"/></filesystem>'


def titles(machine: Machine, target: Host, way: Way | None = None) -> list[str]:
    ground = Ground(Host.objects.all(), [machine], {(machine.host_id, target.pk): Reach(True)})
    return [finding.title for finding in blockers(ground.case(ground.guests[machine.pk], target.pk, way))]


def test_shared_storage_moves_at_once(hosts: list[Host]) -> None:
    machine = a_machine(hosts[0])
    ground = Ground(hosts, [machine], {(hosts[0].pk, hosts[1].pk): Reach(True)})
    case = ground.case(ground.guests[machine.pk], hosts[1].pk)
    assert case.store(case.guest.drives[0]) == Store.SHARED
    assert case.way == Way({})
    assert all(finding.level == "fine" for finding in judge(case)), judge(case)


def test_a_local_disk_is_copied_to_the_pool_of_the_same_name(hosts: list[Host]) -> None:
    machine = a_machine(hosts[0], pool="local", shared=False)
    ground = Ground(hosts, [machine])
    case = ground.case(ground.guests[machine.pk], hosts[1].pk)
    assert case.way == Way({"vda": "local"})
    assert not blockers(case)
    assert titles(machine, hosts[1], Way({})) == ["vda is a local disk of h1"]


def test_the_same_name_at_the_same_path_is_the_same_file_only_when_its_size_is(hosts: list[Host]) -> None:
    machine = a_machine(hosts[0], pool="local", shared=True)
    ground = Ground(hosts, [machine])
    assert ground.case(ground.guests[machine.pk], hosts[1].pk).stores == {"vda": Store.SEEN}
    Volume.objects.filter(pool__host=hosts[2]).update(capacity_bytes=GIB)
    assert Ground(hosts, [machine]).case(ground.guests[machine.pk], hosts[2].pk).stores == {"vda": Store.LOCAL}


def test_what_a_move_left_behind_is_not_the_disk_that_came(hosts: list[Host]) -> None:
    """On two hosts of the same make nothing else tells: it went from h2 to h1 with its disk, whose old copy lies on h2 still. It goes back with it."""
    machine = a_machine(hosts[0], pool="local", shared=True)
    path = machine.disks[0]["source"]
    usual = {"kind": "machines.migration.move", "subject_type": "machine", "subject_id": machine.pk, "subject_name": machine.name, "host_id": hosts[1].pk}
    job = Job.objects.create(state="failed", **usual)
    Move.objects.create(job=job, uuid=machine.uuid, source=hosts[1], target=hosts[0], kept={"copies": {"vda": [path, path, 1]}})
    assert Ground(hosts, [machine]).case(Ground(hosts, [machine]).guests[machine.pk], hosts[1].pk).stores == {"vda": Store.SEEN}
    Job.objects.update(state="done")
    ground = Ground(hosts, [machine])
    assert ground.case(ground.guests[machine.pk], hosts[1].pk).way == Way({"vda": "local"})
    assert ground.case(ground.guests[machine.pk], hosts[2].pk).stores == {"vda": Store.SEEN}


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (PCI, "A host device is attached: PCI 0000:41:00.2"),
        (SHARE, "It sees a directory of its host: /srv/share"),
        ('<shmem name="a"/>', "It shares memory with others on its host"),
        ('<tpm model="tpm-crb"><backend type="passthrough"/></tpm>', "It uses the TPM chip of its host"),
        ('<interface type="network"><source network="dmz"/></interface>', "h2 has no network dmz that is on"),
        ('<disk type="file" device="cdrom"><source file="/mnt/nfs/a.iso"/><target dev="sda" bus="sata"/></disk>', "a.iso is in the drive sda, and not on h2"),
    ],
)
def test_devices_that_stay_behind(hosts: list[Host], devices: str, words: str) -> None:
    assert titles(a_machine(hosts[0], devices=devices), hosts[1]) == [words]


def test_what_else_rows_tell(hosts: list[Host]) -> None:
    machine = a_machine(hosts[0])
    Host.objects.filter(pk=hosts[1].pk).update(maintenance_since="2026-01-01T00:00:00Z")
    a_machine(hosts[1], "web", pool="local", shared=False)
    assert titles(machine, hosts[1]) == ["h2 is in maintenance", "h2 has another machine named web"]


def test_snapshots_rest_on_their_disks(hosts: list[Host]) -> None:
    machine = a_machine(hosts[0])
    Snapshot.objects.create(machine=machine, name="before")
    assert titles(machine, hosts[1]) == []
    assert titles(machine, hosts[1], Way({"vda": "local"})) == ["It has a snapshot"]


def test_a_machine_of_which_nothing_is_known_yet(hosts: list[Host]) -> None:
    machine = a_machine(hosts[0])
    machine.definitions.all().delete()
    assert titles(machine, hosts[1]) == []


def test_networks_by_their_rows(hosts: list[Host]) -> None:
    machine = a_machine(hosts[0])
    Network.objects.create(host=hosts[1], uuid="n1", name="default", mode="nat", active=False, bridge="virbr0")
    Network.objects.create(host=hosts[1], uuid="n2", name="other", mode="nat", active=True, bridge="virbr1")
    assert titles(machine, hosts[1]) == ["h2 has no network default that is on"]


def test_few_queries_however_many(hosts: list[Host], django_assert_max_num_queries: Any) -> None:
    machines = [a_machine(hosts[0], f"web-{number}") for number in range(20)]
    with django_assert_max_num_queries(16):
        ground = Ground(hosts, machines)
        for guest in ground.guests.values():
            for host in hosts[1:]:
                judge(ground.case(guest, host.pk))
