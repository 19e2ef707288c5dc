"""What a host shows of snapshots becomes rows, and only what differs is written and told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from live import publisher
from machines.models import Machine
from machines.snapshots import inventory
from machines.snapshots.models import Snapshot, Trunk
from virt import connection as virt_connection
from virt import snapshot as virt_snapshot
from virt.snapshot import MachineSnapshots, SnapshotSeen
from virt.uri import parse
from virt.xml.read.snapshot import SnapshotDefinition, SnapshotDisk


def _seen(name: str, parent: str = "", *, current: bool = False, sizes: tuple[tuple[str, int], ...] = ()) -> SnapshotSeen:
    disk = SnapshotDisk("vda", "external", f"/pool/{name}.over", f"/pool/{name}.held", "qcow2")
    definition = SnapshotDefinition(name, parent, "", 1_795_000_000, "running", "external", f"/pool/{name}.mem", (disk,), 2, 2**30)
    return SnapshotSeen(definition, current, f"<domainsnapshot><name>{name}</name></domainsnapshot>", sizes)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    messages: list[list[str]] = []
    monkeypatch.setattr(publisher, "send", lambda group, message: messages.append(message["topics"]))
    return messages


def test_rows_follow_the_host(machine: Machine, told: list[list[str]], django_capture_on_commit_callbacks) -> None:  # type: ignore[no-untyped-def]
    def store(*snapshots: SnapshotSeen, now: int | None = None) -> None:
        told.clear()
        with django_capture_on_commit_callbacks(execute=True):
            inventory.store(machine.host_id, (MachineSnapshots(machine.uuid, snapshots, now),) if snapshots else ())

    first = _seen("a", current=True, sizes=(("/pool/a.held", 100), ("/pool/a.mem", 50)))
    store(first, now=7)
    row = Snapshot.objects.get()
    assert (row.name, row.kind, row.has_memory, row.current, row.size_bytes, row.memory_file_bytes) == ("a", "external", True, True, 150, 50)
    assert row.disks == [{"target": "vda", "kind": "external", "held": "/pool/a.held", "overlay": "/pool/a.over", "size": 100}]
    assert Trunk.objects.get().now_bytes == 7
    assert told == [[f"machine:{machine.pk}"]]

    store(first, now=7)
    assert told == []
    store(replace(first, current=False), _seen("b", "a", current=True), now=9)
    assert dict(Snapshot.objects.values_list("name", "current")) == {"a": False, "b": True}
    assert Snapshot.objects.get(name="a").pk == row.pk
    assert Snapshot.objects.get(name="b").size_bytes is None  # a file that no pool shows
    store()
    assert not Snapshot.objects.exists()
    assert not Trunk.objects.exists()
    assert told == [[f"machine:{machine.pk}"]]


def test_machines_that_are_not_known_yet_wait(machine: Machine) -> None:
    inventory.store(machine.host_id, (MachineSnapshots("11111111-0000-0000-0000-000000000000", (_seen("a"),)),))
    assert not Snapshot.objects.exists()


def test_test_driver_is_read() -> None:
    connection = virt_connection.open(parse("test:///default"))
    domain = connection.raw.lookupByName("test")
    before = virt_snapshot.list_all(connection)
    domain.snapshotCreateXML("<domainsnapshot><name>one</name><description>d</description></domainsnapshot>", 0)
    try:
        seen = next(one for one in virt_snapshot.list_all(connection) if one.uuid == domain.UUIDString())
        assert [(one.definition.name, one.definition.description, one.current) for one in seen.snapshots] == [("one", "d", True)]
        assert seen.now_bytes is None
    finally:
        domain.snapshotLookupByName("one").delete(0)
    assert virt_snapshot.list_all(connection) == before
