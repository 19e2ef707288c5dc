"""Taking a snapshot, as a worker does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection as database
from django.utils import timezone

from jobs.registry import Fate
from jobs.work import Cancelled, Wait, Work
from machines.snapshots.choices import best, why_not
from machines.snapshots.hosting import MIB, Hosted, quietly
from machines.snapshots.models import Kind, Picture
from virt import machine as virt_machine
from virt import snapshot
from virt.errors import Conflict, HostUnreachable, OperationFailed, Unsupported, VirtError
from virt.machine import MachineSeen
from virt.xml.build.snapshot import WantedDisk, build_xml

_LARGEST_PICTURE = MIB
_LOOK_SECONDS = 0.5
_MOST_ROUNDS = 2.0


@dataclass(frozen=True)
class Wanted:
    """`kind`: "auto", "internal" or "external". `targets`: the disks to hold, all when empty."""

    name: str
    description: str = ""
    kind: str = "auto"
    memory: bool = True
    quiesce: bool = False
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    xml: str
    files: tuple[str, ...]  # new ones
    disks_only: bool
    live: bool
    quiesce: bool


def take(hosted: Hosted, wanted: Wanted) -> Kind:
    """1. decide which kind, 2. see that there is room, 3. the screen's picture, 4. libvirt takes it: all or nothing, 5. keep the picture."""
    work, seen = hosted.work, hosted.seen()
    hosted.refuse_saved(seen)
    if any(one.definition.name == wanted.name for one in hosted.snapshots()):
        raise Conflict(f"{hosted.row.name} has a snapshot {wanted.name} already.")
    kind, plan = _plan(hosted, seen, wanted)
    picture = quietly(lambda: virt_machine.screenshot(hosted.connection, hosted.uuid)) if hosted.is_active() else None
    work.phase(f"Taking the snapshot {wanted.name} ({kind.label.lower()}{', disks alone' if plan.disks_only else ''})")
    work.on_cancel(lambda: virt_machine.abort_job(hosted.connection, hosted.uuid))
    try:
        with _followed(hosted):
            snapshot.create(hosted.connection, hosted.uuid, plan.xml, disks_only=plan.disks_only, live=plan.live, quiesce=plan.quiesce)
    except HostUnreachable:
        raise
    except VirtError:
        quietly(lambda: hosted.remove(plan.files, hosted.files.survey()) if plan.files else None)
        if work.cancelled():
            raise Cancelled from None
        raise
    finally:
        work.on_cancel(lambda: None)
    # Pools do not see by themselves what the machine's driver makes.
    quietly(lambda: hosted.sweep_strays({path.rpartition("/")[0] for path in plan.files if hosted.files.layer(path)}))
    if picture and picture[0] == "image/png" and len(picture[1]) <= _LARGEST_PICTURE:
        fields = {"image": picture[1], "taken_at": timezone.now()}
        Picture.objects.update_or_create(machine=hosted.row, name=wanted.name, defaults=fields)
    return kind


def fate(hosted: Hosted, name: str) -> Fate:
    """What the host says of a job that was to take it."""
    if snapshot.find(hosted.connection, hosted.uuid, name):
        return Fate.DONE
    return Fate.STILL_RUNNING if virt_machine.has_running_job(hosted.connection, hosted.uuid) else Fate.NOT_DONE


def follow(hosted: Hosted, name: str) -> None:
    """Its worker died, libvirt went on: until it is there, or is not."""

    found = fate(hosted, name)
    if found == Fate.STILL_RUNNING:
        if hosted.work.cancelled():
            quietly(lambda: virt_machine.abort_job(hosted.connection, hosted.uuid))
        raise Wait("Writing the machine's memory", timedelta(hours=6))
    if found != Fate.DONE:
        if hosted.work.cancelled():
            raise Cancelled
        raise OperationFailed("The host shows no such snapshot: taking it did not end well.")


@contextmanager
def _followed(hosted: Hosted) -> Iterator[None]:
    """Progress of libvirt's own job while a call waits for it. A guest that would never let it end stands still for the rest; libvirt lets it run again."""
    over = threading.Event()

    def look() -> None:
        still = False
        try:
            while not over.wait(_LOOK_SECONDS):
                written = quietly(lambda: snapshot.memory_written(hosted.connection, hosted.uuid))
                if written is None or over.is_set():
                    continue
                hosted.work.progress(written.percent)
                if written.rounds > _MOST_ROUNDS and not still:
                    still = True
                    hosted.work.log("The guest changes its memory faster than it is written: it stands still until that is done.")
                    quietly(lambda: virt_machine.pause(hosted.connection, hosted.uuid))
        finally:
            database.close()

    thread = threading.Thread(target=look, name=f"job-{hosted.work.job.pk}-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)


def _plan(hosted: Hosted, seen: MachineSeen, wanted: Wanted) -> tuple[Kind, _Plan]:
    subject, disks = hosted.subject(seen), hosted.disks(seen)
    unknown = set(wanted.targets) - disks.keys()
    if unknown:
        raise Unsupported(f"It has no disk {', '.join(sorted(unknown))}.")
    some = bool(wanted.targets) and set(wanted.targets) != disks.keys()
    memory = wanted.memory and subject.active
    kind = best(subject, memory=memory, some_disks=some) if wanted.kind == "auto" else Kind(wanted.kind)
    if kind is None or (reason := why_not(subject, kind, memory=memory, some_disks=some)):
        raise Unsupported(why_not(subject, Kind.EXTERNAL, memory=memory, some_disks=some) if kind is None else reason)
    chosen = set(wanted.targets) or disks.keys()
    if kind == Kind.INTERNAL:
        first = next((hosted.files.path_of(disk) for disk in disks.values()), "")
        if first and seen.definition.virt_type != "test":
            hosted.need_room({first: seen.definition.memory_bytes if memory else 0})
        listed = [WantedDisk(target, "") for target in disks]
        xml = build_xml(name=wanted.name, description=wanted.description, memory="internal" if memory else "no", disks=listed)
        return kind, _Plan(xml, (), disks_only=False, live=False, quiesce=False)
    paths = {target: hosted.files.path_of(disk) for target, disk in disks.items() if target in chosen}
    overlays = {target: hosted.new_file(path, target, wanted.name, ending="qcow2") for target, path in paths.items()}
    first = next(iter(paths.values()))
    file = hosted.new_file(first, wanted.name, ending="mem") if memory else "no"
    hosted.need_room(dict.fromkeys(overlays.values(), MIB) | ({file: seen.definition.memory_bytes} if memory else {}))
    listed = [WantedDisk(target, overlays.get(target)) for target in disks]
    xml = build_xml(name=wanted.name, description=wanted.description, memory=file, disks=listed)
    files = (*overlays.values(), *((file,) if memory else ()))
    quiesce = wanted.quiesce and subject.active and not memory
    return kind, _Plan(xml, files, disks_only=not memory, live=memory, quiesce=quiesce)


def wanted_of(work: Work) -> Wanted:
    """From the job's parameters."""
    params = work.params
    return Wanted(
        name=str(params["name"]),
        description=str(params.get("description", "")),
        kind=str(params.get("kind", "auto")),
        memory=bool(params.get("memory", True)),
        quiesce=bool(params.get("quiesce", False)),
        targets=tuple(params.get("targets") or ()),
    )
