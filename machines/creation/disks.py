"""A machine's disks with what the rows know of their volumes: who else uses them, how large they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q

from hosts.storage import users
from hosts.storage.models import Volume
from machines.models import Machine


@dataclass(frozen=True)
class DiskOf:
    """For the dialog of a deletion. `users`: others that use it, who keep it; `known`: it is in a pool; `chosen`: goes with the machine unless unticked."""

    target: str
    path: str
    device: str
    size_bytes: int | None
    users: tuple[str, ...]
    known: bool
    chosen: bool

    @property
    def deletable(self) -> bool:
        return self.known and not self.users


def disks_of(machine: Machine) -> list[DiskOf]:
    return list(_disks(machine))


def _disks(machine: Machine) -> Iterator[DiskOf]:
    for disk in machine.disks:
        if not (disk.get("source") or disk.get("volume")):
            continue
        volume = _volume(machine, disk)
        path = volume.path if volume else str(disk.get("source", ""))
        others = tuple(str(used) for used in users.of(volume) if not (used.kind == "machine" and used.url == machine.get_absolute_url())) if volume else ()
        device = str(disk.get("device", "disk"))
        own_seed = device == "cdrom" and machine.uuid[:8] in path
        yield DiskOf(
            target=str(disk.get("target", "")), path=path, device=device, size_bytes=volume.capacity_bytes if volume else None, users=others,
            known=volume is not None, chosen=(device == "disk" or own_seed) and not others and volume is not None,
        )  # fmt: skip


def _volume(machine: Machine, disk: dict[str, str]) -> Volume | None:
    found = Volume.objects.filter(pool__host_id=machine.host_id, pool__gone_at=None).select_related("pool__host")
    if disk.get("pool"):
        return found.filter(pool__name=disk["pool"], name=disk.get("volume", "")).first()
    source = str(disk.get("source", ""))
    return found.filter(Q(path=source) | Q(key=source)).first() if source else None
