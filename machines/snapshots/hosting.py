"""What the operations on snapshots share: reaching the machine, its disks as the host has them now, remembering, room on the host."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from hosts.connections import connection_to
from jobs.models import Job, State
from jobs.work import Work
from machines.models import Machine
from machines.snapshots.choices import Drive, Subject, file_word
from machines.snapshots.models import Kind
from virt import chain, snapshot
from virt import machine as virt_machine
from virt.chain import Files, Survey, Use
from virt.connection import Connection
from virt.errors import NoSpace, NotFound, VirtError, WrongState
from virt.machine import MachineSeen
from virt.machine import State as Seen
from virt.snapshot import SnapshotSeen
from virt.xml.read.disk import Disk

GIB, MIB = 2**30, 2**20
_OURS = re.compile(r".+\.(j\d+)\.(?:qcow2|mem)")
_LEAST_BYTES = 16 * MIB  # an overlay begins with 200 KB; below this it would be full at once


class Hosted:
    """A machine on its host, for one job."""

    def __init__(self, work: Work) -> None:
        machine = Machine.objects.select_related("host").filter(pk=work.subject_id).first()
        if machine is None:
            raise NotFound("The machine is not known here any more.")
        self.work, self.row, self.uuid = work, machine, machine.uuid
        self.connection: Connection = connection_to(machine.host)
        self.before = ""  # its definition before this turn changed it

    @cached_property
    def files(self) -> Files:
        return Files(self.connection)

    def seen(self) -> MachineSeen:
        found = virt_machine.read(self.connection, self.uuid)
        if found is None:
            raise NotFound(f"{self.row.name} is not on its host any more.")
        return found

    def is_active(self) -> bool:
        return virt_machine.state(self.connection, self.uuid) not in (Seen.OFF, Seen.CRASHED)

    def snapshots(self) -> tuple[SnapshotSeen, ...]:
        return snapshot.of_machine(self.connection, self.uuid)

    def find(self, name: str) -> SnapshotSeen:
        found = snapshot.find(self.connection, self.uuid, name)
        if found is None:
            raise NotFound(f"{self.row.name} has no snapshot {name} (any more).")
        return found

    def disks(self, seen: MachineSeen) -> dict[str, Disk]:
        """What it writes to, by target."""
        return {disk.target: disk for disk in chain.machine_disks(seen.live_xml)}

    def subject(self, seen: MachineSeen) -> Subject:
        drives = tuple(Drive(disk.target, disk.kind, disk.format, disk.source) for disk in self.disks(seen).values())
        kept = frozenset(Kind.EXTERNAL if one.definition.is_external else Kind.INTERNAL for one in self.snapshots())
        return Subject(drives, seen.state not in (Seen.OFF, Seen.CRASHED), seen.definition.firmware == "efi", kept)

    def refuse_saved(self, seen: MachineSeen) -> None:
        if seen.has_saved_image:
            raise WrongState("Its memory is saved, and belongs to its disks as they are. Start it, or shut it down, first.")

    # ── files of ours ──

    def new_file(self, beside: str, *words: str, ending: str) -> str:
        """A path in the folder of a disk's file. The job's number makes it the only one of its name, and tells later whose it was."""
        name = ".".join([*(file_word(word) for word in (self.row.name, *words)), f"j{self.work.job.pk}", ending])
        return os.path.join(os.path.dirname(beside), name)

    def need_room(self, needed: dict[str, int]) -> None:
        """`needed`: bytes by a path in the folder they go to. Raises NoSpace with the numbers."""
        pools: dict[str, tuple[int, int]] = {}
        for path, size in needed.items():
            pool, free = self.files.free(path)
            pools[pool] = (pools.get(pool, (0, 0))[0] + size, free)
        for pool, (size, free) in pools.items():
            if size + _LEAST_BYTES > free:
                raise NoSpace(f"It can take up to {words_of(size + _LEAST_BYTES)}, and the pool {pool} has {words_of(free)} free.")

    def remove(self, paths: Iterable[str], survey: Survey, *, ignoring: frozenset[str] = frozenset()) -> None:
        """Delete files, the uppermost first, each only when nobody (but snapshots `ignoring`) needs it. What is needed stays, and the log says for whom."""
        waiting, gone = list(dict.fromkeys(paths)), set[str]()
        while waiting:
            free = [path for path in waiting if not self._needs(path, survey, ignoring, gone)]
            if not free:
                break
            for path in free:
                waiting.remove(path)
                gone.add(path)
                if self.files.delete(path):
                    self.work.log(f"Removed {path}.")
        for path in waiting:
            self.work.log(f"Kept {path}: {users(self._needs(path, survey, ignoring, gone))}.")

    def _needs(self, path: str, survey: Survey, ignoring: frozenset[str], gone: set[str]) -> list[Use]:
        return survey.uses(path, but=lambda use: use.overlay in gone or (use.machine == self.uuid and use.snapshot in ignoring and use.kind == "snapshot"))

    def is_made_for_snapshots(self, path: str) -> bool:
        """Whether a file came into being by a snapshot or by reverting to one, and holds what was written since. All others are somebody's disks."""
        layer = self.files.layer(path)
        if layer is None or not layer.backing:
            return False
        overlays = {self.files.resolve(disk.overlay) for one in self.snapshots() for disk in one.definition.disks if disk.overlay}
        return path in overlays or bool(_OURS.fullmatch(os.path.basename(path)))

    def sweep_strays(self, folders: Iterable[str]) -> None:
        """Remove files that earlier snapshot jobs of this machine left when something died: named by those jobs, and needed by nobody."""
        ended = (State.FAILED, State.INTERRUPTED, State.CANCELLED)
        died = Job.objects.filter(subject_type="machine", subject_id=self.row.pk, kind__startswith="machines.snapshots.", state__in=ended)
        numbers = {f"j{pk}" for pk in died.values_list("pk", flat=True)[:200]}
        if not numbers:
            return
        survey = self.files.survey()
        for folder in set(folders):
            names = [(path, _OURS.fullmatch(os.path.basename(path))) for path in self.files.names(folder)]
            self.remove([path for path, match in names if match and match[1] in numbers and not survey.uses(path)], survey)

    # ── what must outlive the worker ──

    def recall(self) -> dict[str, Any]:
        """What an earlier turn of this job remembered."""
        return dict(self.work.job.result or {})

    def remember(self, **facts: Any) -> None:
        """For the turn that goes on after this worker's death: what the host will not be able to tell any more."""
        self.work.job.result = self.recall() | facts
        self.work.mine().update(result=self.work.job.result)


def users(uses: Iterable[Use]) -> str:
    """ "needed by a and b"."""
    words = list(dict.fromkeys(use.words for use in uses))
    return ", ".join(words[:4]) + (" …" if len(words) > 4 else "")


def words_of(size: int) -> str:
    """Bytes for a person."""
    if size < MIB:
        return f"{size / 1024:.0f} KiB"
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"


def quietly(deed: Any) -> Any:
    """What is nice to have must not break the job."""
    try:
        return deed()
    except VirtError:
        return None
