"""A host's snapshots compared with their rows: nothing tells of them, so they are read now and then, after our jobs and when somebody looks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from live import facts
from machines.models import Machine
from machines.snapshots.models import Kind, Snapshot, Trunk
from virt import snapshot as virt_snapshot
from virt.snapshot import MachineSnapshots, SnapshotSeen
from virt.xml.read.snapshot import SnapshotDisk

NAME = "snapshots"
PERIOD_SECONDS = 300.0

read = virt_snapshot.list_all


def store(host_id: int, seen: Iterable[MachineSnapshots]) -> None:
    """Write what differs. Machines that the watcher has not written yet come with the next look."""
    machines = dict(Machine.objects.filter(host_id=host_id, gone_at=None).values_list("uuid", "pk"))
    shown = {machines[one.uuid]: one for one in seen if one.uuid in machines}
    changed = _store_snapshots(host_id, shown) | _store_trunks(host_id, shown)
    if changed:
        facts.publish([f"machine:{pk}" for pk in changed], "snapshots", host_id=host_id, machine_ids=sorted(changed))


def _store_snapshots(host_id: int, shown: dict[int, MachineSnapshots]) -> set[int]:
    known: defaultdict[int, dict[str, Snapshot | None]] = defaultdict(dict)
    for each in Snapshot.objects.filter(machine__host_id=host_id, machine__gone_at=None):
        known[each.machine_id][each.name] = each
    changed: set[int] = set()
    new: list[Snapshot] = []
    for machine_id, machine in shown.items():
        for one in machine.snapshots:
            fields = fields_of(one)
            row = known[machine_id].pop(fields["name"], None)
            if row is None:
                new.append(Snapshot(machine_id=machine_id, **fields))
            elif differs := {name: value for name, value in fields.items() if getattr(row, name) != value}:
                Snapshot.objects.filter(pk=row.pk).update(**differs)
            else:
                continue
            changed.add(machine_id)
    gone = [row for rows in known.values() for row in rows.values() if row]
    Snapshot.objects.filter(pk__in=[row.pk for row in gone]).delete()
    Snapshot.objects.bulk_create(new)
    return changed | {row.machine_id for row in gone}


def _store_trunks(host_id: int, shown: dict[int, MachineSnapshots]) -> set[int]:
    known = dict(Trunk.objects.filter(machine__host_id=host_id).values_list("machine_id", "now_bytes"))
    wanted = {machine_id: machine.now_bytes for machine_id, machine in shown.items()}
    changed = {machine_id for machine_id, size in wanted.items() if machine_id not in known or known[machine_id] != size}
    Trunk.objects.filter(machine_id__in=known.keys() - wanted.keys()).delete()
    rows = [Trunk(machine_id=machine_id, now_bytes=wanted[machine_id]) for machine_id in changed]
    Trunk.objects.bulk_create(rows, update_conflicts=True, unique_fields=["machine"], update_fields=["now_bytes"])
    return changed


def fields_of(seen: SnapshotSeen) -> dict[str, Any]:
    """The row's values."""
    definition, sizes = seen.definition, dict(seen.sizes)
    held = [disk.held for disk in definition.disks if disk.kind == "external"]
    files = [path for path in (*held, definition.memory_file) if path]
    return {
        "name": definition.name[:255],
        "parent_name": definition.parent[:255],
        "description": definition.description,
        "created_at": datetime.fromtimestamp(definition.created_at, UTC),
        "state": definition.state[:32],
        "kind": Kind.EXTERNAL if definition.is_external else Kind.INTERNAL,
        "has_memory": definition.has_memory,
        "current": seen.current,
        "disks": [_disk(disk, sizes) for disk in definition.disks],
        "memory_file": definition.memory_file[:1024],
        "memory_file_bytes": sizes.get(definition.memory_file),
        "size_bytes": sum(sizes[path] for path in files) if files and all(path in sizes for path in files) else None,
        "vcpus": definition.vcpus,
        "memory_bytes": definition.memory_bytes,
        "xml": seen.xml,
    }


def _disk(disk: SnapshotDisk, sizes: dict[str, int]) -> dict[str, Any]:
    return {"target": disk.target, "kind": disk.kind, "held": disk.held, "overlay": disk.overlay, "size": sizes.get(disk.held)}
