"""Going back to a snapshot, as a worker does.

Inside the disks libvirt does it. Outside of them, every libvirt the same way, for before 9.9 it has none of its own and after that
it throws the present state away first:
1. if asked for, a snapshot of now
2. see that all that the snapshot needs is there, and that nobody writes to it
3. new overlays on the frozen files: nothing that exists is touched
4. switch the machine off
5. define it as it was then, with the new overlays
6. start it, from the memory that was kept if there is some
7. libvirt takes note where the machine is now
8. only then the files that the machine wrote to before go, if nobody needs them
Up to step 4 a job that dies has changed nothing that matters. From then on the host shows which step is next, and it is gone on with.
If 5 or 6 fails, the machine is defined as before, and runs again if it ran.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from lxml import etree

from jobs.registry import Fate
from machines.snapshots import taking
from machines.snapshots.hosting import Hosted, quietly, users
from virt import machine as virt_machine
from virt import snapshot
from virt.chain import Survey
from virt.errors import HostUnreachable, NotFound, Unsupported, VirtError, WrongState
from virt.machine import MachineSeen
from virt.snapshot import SnapshotSeen
from virt.xml.build.snapshot import domain_then, point_at
from virt.xml.parse import parse
from virt.xml.read.disk import Disk


@dataclass(frozen=True)
class Wanted:
    """`run`: whether the machine runs afterwards, where the snapshot holds no memory. `first`: the name of a snapshot of now, "" for none."""

    name: str
    run: bool
    first: str = ""


def revert(hosted: Hosted, wanted: Wanted) -> None:
    target = hosted.find(wanted.name)
    if not hosted.recall():
        _check(hosted, target)
    if wanted.first and not snapshot.find(hosted.connection, hosted.uuid, wanted.first):
        _take_first(hosted, wanted, target)
        target = hosted.find(wanted.name)
    if target.definition.is_external:
        _revert_external(hosted, target, wanted)
    else:
        _revert_internal(hosted, target, wanted)


def fate(hosted: Hosted, wanted: Wanted) -> Fate:
    """What the host says. Past the point where the machine was switched off it is gone on with."""
    memo = hosted.recall()
    target = snapshot.find(hosted.connection, hosted.uuid, wanted.name)
    if not memo or target is None:
        return Fate.NOT_DONE
    if not target.definition.is_external:
        return _internal_fate(hosted, target, memo)
    new = memo["new"]
    disks = hosted.disks(hosted.seen())
    there = all(target_ in disks and hosted.files.path_of(disks[target_]) == path for target_, path in new.items())
    active = hosted.is_active()
    if not there:
        was = {target_: hosted.files.path_of(disk) for target_, disk in disks.items()}
        untouched = all(was.get(target_) == path for target_, path in memo["old"].items()) and active == memo["ran"]
        return Fate.NOT_DONE if untouched and memo["ran"] else Fate.STILL_RUNNING
    runs = wanted.run or target.definition.has_memory
    finished = target.current and (active or not runs) and not any(_is_left(hosted, path) for path in memo["old"].values())
    return Fate.DONE if finished else Fate.STILL_RUNNING


def _is_left(hosted: Hosted, path: str) -> bool:
    return hosted.is_made_for_snapshots(path) and not hosted.files.survey().uses(path)


def _take_first(hosted: Hosted, wanted: Wanted, target: SnapshotSeen) -> None:
    """With memory where it runs, so that this can be reverted to as well, to the very moment. Of the same kind: they don't mix."""
    kind = "auto" if target.definition.is_external else "internal"
    taking.take(hosted, taking.Wanted(wanted.first, f"Before going back to {wanted.name}", kind, memory=hosted.is_active()))


def _check(hosted: Hosted, target: SnapshotSeen) -> None:
    if target.definition.is_external:
        _check_external(hosted, target)
    else:
        _check_internal(hosted, target)


# ── inside the disks ──


def _check_internal(hosted: Hosted, target: SnapshotSeen) -> None:
    """libvirt would change the file, whatever rests on it."""
    seen, name = hosted.seen(), target.definition.name
    now = {dev: hosted.files.path_of(disk) for dev, disk in hosted.disks(seen).items()}
    survey = hosted.files.survey() if target.definition.disks else Survey()
    for disk in target.definition.disks:
        held = hosted.files.resolve(disk.held)
        over = survey.uses(held, but=lambda use: use.kind != "overlay")
        if disk.kind == "internal" and (over or now.get(disk.target) != held):
            why = users(over) or "the machine writes elsewhere now"
            raise WrongState(f"{name} lies inside {held}, and reverting would change that file: {why}. Delete the snapshots that came after first.")


def _revert_internal(hosted: Hosted, target: SnapshotSeen, wanted: Wanted) -> None:
    before = next((one.definition.name for one in hosted.snapshots() if one.current), "")
    hosted.remember(before=before, reason=hosted.seen().reason)
    hosted.work.phase(f"Going back to {wanted.name}")
    run = None if target.definition.has_memory else wanted.run
    snapshot.revert_internal(hosted.connection, hosted.uuid, wanted.name, run=run)


def _internal_fate(hosted: Hosted, target: SnapshotSeen, memo: dict[str, str]) -> Fate:
    """Reverting to where the machine came from anyway leaves no trace but the reason of its state."""
    if not target.current:
        return Fate.NOT_DONE
    if memo.get("before") != target.definition.name:
        return Fate.DONE
    reason = hosted.seen().reason
    return Fate.DONE if reason == "from-snapshot" and memo.get("reason") != reason else Fate.UNKNOWN


# ── outside of them ──


def _revert_external(hosted: Hosted, target: SnapshotSeen, wanted: Wanted) -> None:
    memo = hosted.recall()
    if "new" not in memo:
        memo = _prepare(hosted, target)
    try:
        _change_over(hosted, target, wanted, memo)
    except HostUnreachable:
        raise
    except VirtError:
        _go_back(hosted, memo)
        raise
    hosted.work.phase("Tidying up")
    _note_current(hosted, wanted.name)
    survey = hosted.files.survey()
    hosted.remove([path for path in memo["old"].values() if hosted.is_made_for_snapshots(path)], survey)
    hosted.sweep_strays({path.rpartition("/")[0] for path in memo["new"].values()})


def _check_external(hosted: Hosted, target: SnapshotSeen) -> dict[str, str]:
    """Step 2; the frozen file of each disk."""
    definition, files = target.definition, hosted.files
    if any(disk.kind == "internal" for disk in definition.disks):
        raise Unsupported(f"{definition.name} holds some disks inside and some outside of their files: that can't be reverted to here.")
    held = {disk.target: files.resolve(disk.held) for disk in definition.disks if disk.kind == "external"}
    survey = files.survey()
    for path in held.values():
        if files.layer(path) is None:
            raise NotFound(f"{path}, which {definition.name} rests on, is not there any more.")
        if writers := survey.uses(path, but=lambda use: not use.writes):
            raise WrongState(f"{path} is not frozen: {users(writers)} writes to it.")
    if definition.memory_file:
        snapshot.memory_is_readable(hosted.connection, definition.memory_file)
    return held


def _prepare(hosted: Hosted, target: SnapshotSeen) -> dict[str, Any]:
    """Step 3. Nothing of the machine is touched."""
    files, definition, held = hosted.files, target.definition, _check_external(hosted, target)
    seen = hosted.seen()
    disks = hosted.disks(seen)
    new = {name: hosted.new_file(path, name, f"at-{definition.name}", ending="qcow2") for name, path in held.items()}
    hosted.need_room(dict.fromkeys(new.values(), 0))
    old = {name: files.path_of(disk) for name, disk in disks.items() if name in held}
    hosted.work.phase(f"Preparing new files on {definition.name}")
    for name, path in held.items():
        if files.layer(new[name]) is None:
            files.make_overlay(new[name], path)
    memo: dict[str, Any] = {"new": new, "old": old, "ran": hosted.is_active()}
    hosted.remember(**memo)
    return memo


def _change_over(hosted: Hosted, target: SnapshotSeen, wanted: Wanted, memo: dict[str, Any]) -> None:
    """Steps 4 to 6, from where the host shows that they are."""
    seen = hosted.seen()
    if not _is_defined(hosted, seen, memo["new"]):
        if hosted.is_active():
            hosted.work.phase("Switching the machine off")
            virt_machine.force_off(hosted.connection, hosted.uuid)
        snapshot.drop_saved_image(hosted.connection, hosted.uuid)
        hosted.before = hosted.seen().live_xml
        hosted.work.phase(f"Defining the machine as it was at {wanted.name}")
        virt_machine.define(hosted.connection, _then(hosted, target, seen, memo["new"], stored=True))
    if hosted.is_active():
        return
    if target.definition.memory_file:
        hosted.work.phase("Starting it from the memory that was kept")
        live = _then(hosted, target, hosted.seen(), memo["new"], stored=False)
        snapshot.restore_memory(hosted.connection, target.definition.memory_file, live, paused=target.definition.state == "paused")
    elif wanted.run:
        hosted.work.phase("Starting it")
        virt_machine.start(hosted.connection, hosted.uuid)


def _is_defined(hosted: Hosted, seen: MachineSeen, new: dict[str, str]) -> bool:
    disks = hosted.disks(seen)
    return all(name in disks and hosted.files.path_of(disks[name]) == path for name, path in new.items())


def _then(hosted: Hosted, target: SnapshotSeen, seen: MachineSeen, new: dict[str, str], *, stored: bool) -> str:
    """The definition of then. Disks that the snapshot does not hold stay what they are now."""
    now = {disk.target: disk for disk in hosted.disks(seen).values()}
    held = {disk.target for disk in target.definition.disks if disk.kind == "external"}

    def adjust(node: etree._Element, name: str) -> None:
        if name in held:
            point_at(node, new[name])
        elif name in now and node.get("device", "disk") == "disk":
            _as_now(node, now[name], seen.live_xml)

    return domain_then(target.xml, stored=stored, name=seen.name, adjust=adjust)


def _as_now(node: etree._Element, disk: Disk, xml: str) -> None:

    for other in parse(xml).iterfind("devices/disk"):
        dev = other.find("target")
        if dev is not None and dev.get("dev") == disk.target:
            node.set("type", other.get("type", "file"))
            for tag in ("driver", "source", "backingStore"):
                for child in node.findall(tag):
                    node.remove(child)
                if tag != "backingStore" and (found := other.find(tag)) is not None:
                    child = copy.deepcopy(found)
                    child.attrib.pop("index", "")
                    node.insert(0, child)


def _go_back(hosted: Hosted, memo: dict[str, Any]) -> None:
    """Step 5 or 6 failed: as before, but for what was in memory. The definition is the last one seen that wrote to the files of before."""
    hosted.work.log("That did not work: the machine is put back to where it was.")
    versions = hosted.row.definitions.all()[:50]
    before = hosted.before or next((version.xml for version in versions if all(f"'{path}'" in version.xml for path in memo["old"].values())), "")
    if hosted.is_active() or not before:
        return
    virt_machine.define(hosted.connection, before)
    if memo["ran"]:
        virt_machine.start(hosted.connection, hosted.uuid)
    quietly(lambda: hosted.remove(memo["new"].values(), hosted.files.survey()))


def _note_current(hosted: Hosted, name: str) -> None:
    target = hosted.find(name)
    if not target.current:
        snapshot.redefine(hosted.connection, hosted.uuid, target.xml, current=True)
