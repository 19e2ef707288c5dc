"""Deleting snapshots and merging what they froze, as a worker does.

Nothing that anybody else needs is touched, and nothing goes before what replaces it is there:
1. look who uses which file; refuse, naming them, where deleting would take something from them
2. of what no present state rests on (branches that the machine is not on, memory files): remove the files
3. note which frozen files are to be merged, then let libvirt forget the snapshots: from here on nobody can revert to a half merged one
4. merge: what lies above each noted file is written into it while the machine runs, or stands still in memory if it was off
5. snapshots that rested on a merged file are told where their data are now; then the merged files go
A job that died is gone on with from the step that the host shows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import takewhile

from jobs.registry import Fate
from jobs.work import Cancelled
from machines.snapshots.hosting import Hosted, users, words_of
from machines.snapshots.models import Picture, Unmerged
from virt import blockjob, chain, snapshot
from virt import machine as virt_machine
from virt.chain import Survey, Use
from virt.errors import HostUnreachable, OperationFailed, VirtError, WrongState
from virt.machine import State as Seen
from virt.snapshot import SnapshotSeen
from virt.xml.build.snapshot import moved

_LOOK_SECONDS = 0.5
_STILL_SECONDS = 600.0  # a block job that moves nothing for so long is stuck


@dataclass
class _Plan:
    going: list[SnapshotSeen]  # children before their parents
    files: list[str] = field(default_factory=list)  # to remove at once
    bases: dict[str, list[str]] = field(default_factory=dict)  # target → frozen files to merge into


def delete(hosted: Hosted, name: str, *, children: bool) -> None:
    """One snapshot, or with `children` all that came after it as well. The machine's present state is never changed."""
    everything = hosted.snapshots()
    going = _going(everything, name, children)
    if going:
        survey = hosted.files.survey()
        plan = _plan(hosted, going, everything, survey)
        names = frozenset(one.definition.name for one in going)
        hosted.work.phase(f"Deleting {', '.join(sorted(names))}"[:190])
        hosted.remove(plan.files, survey, ignoring=names)
        hosted.remember(begun=True)
        for target, files in plan.bases.items():
            for file in files:
                Unmerged.objects.get_or_create(machine=hosted.row, target=target, file=file)
        for one in going:
            snapshot.delete(hosted.connection, hosted.uuid, one.definition.name, keep_data=one.definition.is_external)
            Picture.objects.filter(machine=hosted.row, name=one.definition.name).delete()
            hosted.work.log(f"The host has forgotten {one.definition.name}.")
    merge(hosted)


def fate(hosted: Hosted, name: str) -> Fate:
    """What the host says of a job that was to delete it. Once it was begun, it is gone on with."""
    if not hosted.recall().get("begun"):
        return Fate.NOT_DONE
    unfinished = snapshot.find(hosted.connection, hosted.uuid, name) or merge_fate(hosted) != Fate.DONE
    return Fate.STILL_RUNNING if unfinished else Fate.DONE


def merge_fate(hosted: Hosted) -> Fate:
    """The same for a merge alone."""
    memo = hosted.recall()
    left = any(hosted.files.layer(path) for path in memo.get("merged", ()))
    woken = bool(memo.get("woken")) and virt_machine.state(hosted.connection, hosted.uuid) == Seen.PAUSED
    if left or woken or Unmerged.objects.filter(machine=hosted.row).exists():
        return Fate.STILL_RUNNING if memo else Fate.NOT_DONE
    return Fate.DONE


def merge(hosted: Hosted) -> None:
    """Steps 4 and 5 for every file that is noted as not merged yet."""
    try:
        for target in sorted(set(Unmerged.objects.filter(machine=hosted.row).values_list("target", flat=True))):
            _follow(hosted, target)  # one that an earlier turn began
            while run := _next_run(hosted, target):
                _merge(hosted, target, run)
        _tidy(hosted)
    finally:
        _put_back(hosted)


# ── 1. what is to be done ──


def _going(everything: tuple[SnapshotSeen, ...], name: str, children: bool) -> list[SnapshotSeen]:
    named = {one.definition.name: one for one in everything}
    if name not in named:
        return []
    order = [name]
    for parent in order if children else ():  # it grows while it is walked
        order += [one.definition.name for one in everything if one.definition.parent == parent]
    return [named[each] for each in reversed(order)]


def _plan(hosted: Hosted, going: list[SnapshotSeen], everything: tuple[SnapshotSeen, ...], survey: Survey) -> _Plan:
    seen, files = hosted.seen(), hosted.files
    names = {one.definition.name for one in going}
    chains = {target: chain_of(hosted, target) for target in hosted.disks(seen)}
    present = {path: chain for chain in chains.values() for path in chain}
    plan = _Plan(going)
    for one in going:
        definition = one.definition
        if not definition.is_external:
            _check_internal(hosted, one, survey, {chain[0] for chain in chains.values() if chain})
            continue
        hosted.refuse_saved(seen)
        if definition.memory_file:
            plan.files.append(definition.memory_file)
        for disk in definition.disks:
            if disk.kind != "external":
                continue
            held = files.resolve(disk.held)
            if held in chains.get(disk.target, [])[1:]:
                plan.bases.setdefault(disk.target, []).append(held)
            elif held not in present:
                plan.files += [path for path in (held, disk.overlay) if path not in present and hosted.is_made_for_snapshots(path)]
    plan.files = list(dict.fromkeys(plan.files))
    _check_branches(plan, names, survey, hosted)
    for target, bases in plan.bases.items():
        _check_merges(chains[target], bases, names, plan, survey, hosted)
    return plan


def _check_internal(hosted: Hosted, one: SnapshotSeen, survey: Survey, tops: set[str]) -> None:
    for disk in one.definition.disks:
        held = hosted.files.resolve(disk.held)
        over = survey.uses(held, but=lambda use: use.kind != "overlay")
        if disk.kind == "internal" and held and (held not in tops or over):
            raise WrongState(
                f"{one.definition.name} lies inside {held}, which is frozen: {users(over) or 'the machine writes elsewhere now'}. Delete what came after first."
            )


def _check_branches(plan: _Plan, names: set[str], survey: Survey, hosted: Hosted) -> None:
    """What the machine is not on must not be needed by what stays."""
    for path in plan.files:
        left = survey.uses(path, but=lambda use: _goes(use, names, hosted.uuid) or use.overlay in plan.files)
        if left:
            raise WrongState(f"{path} is needed by {users(left)}. Delete that too (with all that came after), or revert to it first.")


def _check_merges(layers: list[str], bases: list[str], names: set[str], plan: _Plan, survey: Survey, hosted: Hosted) -> None:
    """Merging changes each of `bases`, and takes the files above away."""
    hosted.need_room({base: _allocated(hosted, layers[layers.index(base) - 1]) for base in bases})
    for base in bases:
        above = layers[layers.index(base) - 1]
        spare = (above, *plan.files)
        other = [use for use in survey.uses(base) if not (_goes(use, names, hosted.uuid) or use.overlay in spare or _is_own(use, hosted.uuid))]
        if other:
            raise WrongState(f"More than one branch begins there: {base} is needed by {users(other)}. Delete all branches but one first.")
        if layers.index(above) and above not in bases:
            more = [path for path in survey.overlays(above) if path not in (layers[layers.index(above) - 1], *plan.files)]
            if more:
                raise WrongState(f"{above} can't be merged into {base}: {', '.join(more)} rests on it too. Delete that branch first.")
        inside = [use for use in survey.uses(above) if use.kind == "snapshot" and use.snapshot not in names and not _is_frozen(use, above, hosted)]
        if inside:
            raise WrongState(f"{above} can't be merged: inside it lies {users(inside)}. Delete that first.")


def _allocated(hosted: Hosted, path: str) -> int:
    layer = hosted.files.layer(path)
    return layer.allocation_bytes if layer else 0


def _goes(use: Use, names: set[str], uuid: str) -> bool:
    return use.kind == "snapshot" and use.machine == uuid and use.snapshot in names


def _is_own(use: Use, uuid: str) -> bool:
    """The machine's own chain, and its internal snapshots inside the file: both stay whole when more is written into it."""
    return use.machine == uuid and (use.kind == "disk" or use.kind == "snapshot")


def _is_frozen(use: Use, path: str, hosted: Hosted) -> bool:
    """A snapshot that froze the file, which can be told where the data went; not one that lies inside it."""
    one = next((one for one in hosted.snapshots() if use.machine == hosted.uuid and one.definition.name == use.snapshot), None)
    return one is not None and any(disk.kind == "external" and hosted.files.resolve(disk.held) == path for disk in one.definition.disks)


# ── 4. merging ──


def chain_of(hosted: Hosted, target: str) -> list[str]:
    """The files of the disk now, what it writes to first; [] without such a disk."""
    seen = hosted.seen()
    disk = hosted.disks(seen).get(target)
    if disk is None:
        return []
    if hosted.is_active() and len(live := chain.live_chain(seen.live_xml, target)) > 1:
        return [hosted.files.resolve(path) for path in live]
    top = hosted.files.path_of(disk)
    return hosted.files.chain(top) if top else []


@dataclass(frozen=True)
class _Run:
    """Write `top` and all down to `base` into `base`. `merged`: the files that are not needed after that."""

    top: str
    base: str
    merged: tuple[str, ...]
    active: bool


def _next_run(hosted: Hosted, target: str) -> _Run | None:
    """The uppermost merge that is to be done on a disk; what is noted but not there (any more) is struck out."""
    layers = chain_of(hosted, target)
    noted = Unmerged.objects.filter(machine=hosted.row, target=target)
    bases = set(noted.values_list("file", flat=True))
    noted.exclude(file__in=layers[1:]).delete()
    first = next((place for place, path in enumerate(layers) if place and path in bases), None)
    if first is None:
        return None
    last = first + len(list(takewhile(lambda path: path in bases, layers[first:]))) - 1
    return _Run(layers[first - 1], layers[last], tuple(layers[first - 1 : last]), active=first == 1)


def _merge(hosted: Hosted, target: str, run: _Run) -> None:
    memo = hosted.recall()
    size = sum(_allocated(hosted, path) for path in run.merged)
    hosted.need_room({run.base: size})
    hosted.remember(begun=True, merged=[*memo.get("merged", []), *run.merged], moves=memo.get("moves", {}) | {run.top: run.base})
    _wake(hosted)
    hosted.work.phase(f"Merging {words_of(size)} of {target} into {run.base.rpartition('/')[2]}", 0)
    blockjob.commit(hosted.connection, hosted.uuid, target, top=run.top, base=run.base, active=run.active)
    _follow(hosted, target)
    if run.top in chain_of(hosted, target):
        raise OperationFailed(f"{target} still has all its files: merging stopped early. Nothing is lost; look for errors of {run.base}, and merge again.")
    _tell_snapshots(hosted, run.top, run.base)
    Unmerged.objects.filter(machine=hosted.row, target=target, file__in=[*run.merged, run.base]).delete()


def _follow(hosted: Hosted, target: str) -> None:
    """Until the block job of a disk has ended; the disk changes over when both files are the same."""
    before, moved_at = -1, time.monotonic()
    while job := blockjob.find(hosted.connection, hosted.uuid, target):
        hosted.work.progress(min(99.0, job.percent))
        if hosted.work.cancelled():
            _stop(hosted, target)
        elif job.ready:
            blockjob.pivot(hosted.connection, hosted.uuid, target)
            continue
        if job.done_bytes != before:
            before, moved_at = job.done_bytes, time.monotonic()
        elif time.monotonic() - moved_at > _STILL_SECONDS:
            raise OperationFailed(f"Merging {target} has not moved for ten minutes. It goes on on the host; see whether its storage answers.")
        time.sleep(_LOOK_SECONDS)


def _stop(hosted: Hosted, target: str) -> None:
    blockjob.abort(hosted.connection, hosted.uuid, target)
    hosted.work.log("Stopped. What was merged is kept, the rest is where it was: nothing is lost, and it can be merged later.")
    raise Cancelled


def _wake(hosted: Hosted) -> None:
    """QEMU does the work, so it must be there: an off machine stands in memory, not running a single instruction."""
    if not hosted.is_active():
        hosted.refuse_saved(hosted.seen())
        hosted.remember(woken=True)
        hosted.work.log("The machine is off: it is started paused for as long as merging takes.")
        virt_machine.start(hosted.connection, hosted.uuid, paused=True)


def _put_back(hosted: Hosted) -> None:
    """Off again what was only woken. Somebody who let it run meanwhile keeps it."""
    if not hosted.recall().get("woken"):
        return
    try:
        if virt_machine.state(hosted.connection, hosted.uuid) == Seen.PAUSED:
            virt_machine.force_off(hosted.connection, hosted.uuid)
    except HostUnreachable:
        raise
    except VirtError as exc:
        hosted.work.log(f"It could not be switched off again: {exc}")


# ── 5. afterwards ──


def _tell_snapshots(hosted: Hosted, old: str, new: str) -> None:
    for one in hosted.snapshots():
        if any(disk.kind == "external" and hosted.files.resolve(disk.held) == old for disk in one.definition.disks):
            snapshot.redefine(hosted.connection, hosted.uuid, moved(one.xml, {old: new}), current=one.current)
            hosted.work.log(f"{one.definition.name} lies in {new} now.")


def _tidy(hosted: Hosted) -> None:
    """Remove what was merged away, now that the machine and its snapshots rest on the merged files."""
    memo = hosted.recall()
    for old, new in memo.get("moves", {}).items():
        _tell_snapshots(hosted, old, new)
    if merged := memo.get("merged", []):
        survey = hosted.files.survey()
        hosted.remove(merged, survey)
        hosted.sweep_strays({path.rpartition("/")[0] for path in merged})
