"""Copying a machine that is off. A worker's; artefacts are noted and cleaned up as in making.py."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.work import Work
from machines.creation.making import Making
from machines.creation.models import Creation
from virt import lookups
from virt import machine as virt_machine
from virt import volume as virt_volume
from virt.connection import Connection
from virt.errors import Conflict, NotFound, Unsupported, WrongState
from virt.machine import State
from virt.volume import VolumeSpec
from virt.xml.edit.clone import cloned
from virt.xml.read.disk import Disk as DiskSeen


@dataclass(frozen=True, slots=True)
class Original:
    """`pool`: where the copies go, "" for beside the originals."""

    uuid: str
    pool: str = ""


class Cloning(Making):
    """Its order holds the clone's few choices: `pool`, `start`; the original is named by the job."""

    def __init__(self, work: Work, creation: Creation, connection: Connection, original: Original) -> None:
        super().__init__(work, creation, connection)
        self.original = original

    def build(self) -> str:
        seen = virt_machine.read(self.connection, self.original.uuid)
        if seen is None:
            raise NotFound("The machine is not on this host (any more).")
        if seen.state != State.OFF or seen.has_saved_image:
            raise WrongState("A machine is copied while it is off and has no saved state: its disks would be of different moments otherwise.")
        copies: dict[str, tuple[str, str]] = {}
        for number, disk in enumerate(each for each in seen.definition.disks if _is_copied(each)):
            copies[disk.target] = self._copy(disk, number)
        return cloned(seen.live_xml, self.creation.name, self.creation.uuid, copies)

    def _copy(self, disk: DiskSeen, number: int) -> tuple[str, str]:
        path = disk.source
        if disk.pool:
            path = virt_volume.read(self.connection, self.pool(disk.pool), disk.volume).path
        place = lookups.volume_at(self.connection, path)
        if place is None:
            raise Unsupported(f"{disk.target} ({path or 'no file'}) is in no pool of the host that is on: it can't be copied.")
        pool = self.pool(self.original.pool or place.pool_name)
        seen = virt_volume.read(self.connection, place.pool, place.name)
        format = disk.format if disk.format in ("qcow2", "raw") else "qcow2"
        if seen.format not in (disk.format, "iso") and not (disk.format == "raw" and seen.kind == "block"):
            raise Conflict(f"The host takes {place.name} for {seen.format or 'raw'}, the machine uses it as {disk.format}: it is not copied.")
        name = self.name_for(f"disk{number + 1}" if number else "", format)
        self.work.phase(f"Copying {disk.target}: {place.name}")
        spec = VolumeSpec(name, seen.capacity_bytes, format)
        self.made(pool, name, lambda: self._clone(place.pool, place.name, pool, spec))
        return virt_volume.read(self.connection, pool, name).path, format


def _is_copied(disk: DiskSeen) -> bool:
    return disk.device == "disk" and not disk.readonly and bool(disk.source or disk.volume)
