"""Copying a machine that is off. A worker's; artefacts are noted and cleaned up as in making.py."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.work import Work
from machines.creation.making import Making
from machines.creation.models import VARIABLES, Creation
from machines.creation.order import volume_name
from virt import lookups, variables
from virt import machine as virt_machine
from virt import volume as virt_volume
from virt.connection import Connection
from virt.errors import Conflict, NotFound, Unsupported, WrongState
from virt.machine import State
from virt.volume import VolumeSpec
from virt.xml.edit.clone import cloned, pointed
from virt.xml.read.disk import Disk as DiskSeen


@dataclass(frozen=True, slots=True)
class Original:
    """`pool`: where the copies go, "" for beside the originals. `linked`: the clone holds differences alone."""

    uuid: str
    pool: str = ""
    linked: bool = False


class Cloning(Making):
    """Its order holds the clone's few choices: `pool`, `start`; the original is named by the job."""

    def __init__(self, work: Work, creation: Creation, connection: Connection, original: Original) -> None:
        super().__init__(work, creation, connection)
        self.original = original
        self._variables = ("", "")  # the file of the original's UEFI variables, the file of the clone's
        self._moved: dict[str, tuple[str, str]] = {}  # the original's disks, once both stand on what they are now

    def build(self) -> str:
        seen = virt_machine.read(self.connection, self.original.uuid)
        if seen is None:
            raise NotFound("The machine is not on this host (any more).")
        if seen.state != State.OFF or seen.has_saved_image:
            raise WrongState("A machine is copied while it is off and has no saved state: its disks would be of different moments otherwise.")
        if self.original.linked and lookups.has_snapshots(self.connection, self.original.uuid):
            raise WrongState("The machine has snapshots, which name its disks as they are: it can't have linked clones.")
        copies: dict[str, tuple[str, str]] = {}
        for number, disk in enumerate(each for each in seen.definition.disks if _is_copied(each)):
            copies[disk.target] = self._copy(disk, number)
        xml = cloned(seen.live_xml, self.creation.name, self.creation.uuid, copies)
        if (of_original := variables.place(self.connection, seen.live_xml)) and variables.is_there(self.connection, of_original):
            self._variables = of_original, variables.place(self.connection, xml)
            self.creation.note(VARIABLES, self._variables[1])
        return xml

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
        part = f"disk{number + 1}" if number else ""
        if self.original.linked:
            return self._link(disk, part, place, pool, seen.capacity_bytes, format, path)
        name = self.name_for(part, format)
        self.work.phase(f"Copying {disk.target}: {place.name}")
        spec = VolumeSpec(name, seen.capacity_bytes, format)
        self.made(pool, name, lambda: self._clone(place.pool, place.name, pool, spec))
        return virt_volume.read(self.connection, pool, name).path, format

    def _link(self, disk: DiskSeen, part: str, place: lookups.Place, pool: str, size: int, format: str, path: str) -> tuple[str, str]:
        """What the disk is now stays as it is for ever: the clone and the original each get a file for their differences to it."""
        name = self.name_for(part, "qcow2")
        own = volume_name(place.name.rpartition(".")[0] or place.name, self.creation.uuid, "origin", "qcow2")
        self.work.phase(f"Linking {disk.target}: {place.name}")
        for where, new in ((pool, name), (place.pool, own)):
            spec = VolumeSpec(new, size, "qcow2", backing_path=path, backing_format=format)
            self.made(where, new, lambda where=where, spec=spec: virt_volume.create(self.connection, where, spec))  # type: ignore[misc]
        self._moved[disk.target] = (virt_volume.read(self.connection, place.pool, own).path, "qcow2")
        return virt_volume.read(self.connection, pool, name).path, "qcow2"

    def before_start(self) -> None:
        self._copy_variables()
        self._point_original()

    def _copy_variables(self) -> None:
        """Only now, so that whoever cleans up removes the file with the definition; until then the machine does not count as whole."""
        source, target = self._variables
        if source:
            self.work.phase("Copying UEFI variables")
            variables.copy(self.connection, source, target)
            self.creation.forget(VARIABLES, target)

    def _point_original(self) -> None:
        """The original goes on with its differences before anything is written to the clone's. From then on clean() finds its file in use, and keeps it."""
        if not self._moved:
            return
        self.work.phase("Pointing the original to its own differences")
        seen = virt_machine.read(self.connection, self.original.uuid)
        if seen is None or seen.state != State.OFF:
            raise WrongState("The original was started meanwhile. Nothing of it was changed.")
        virt_machine.define(self.connection, pointed(seen.live_xml, self._moved))
        if virt_machine.state(self.connection, self.original.uuid) != State.OFF:  # started from outside in that very moment
            virt_machine.define(self.connection, seen.live_xml)
            raise WrongState("The original was started meanwhile. Its definition is as it was.")


def _is_copied(disk: DiskSeen) -> bool:
    return disk.device == "disk" and not disk.readonly and bool(disk.source or disk.volume)
