"""Where a machine's disks will be on the target: on storage that both hosts share, or in volumes that we make there."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.work import Cancelled
from machines.migration.hosting import Hosted
from virt import copying, lookups, sharing
from virt import pool as virt_pool
from virt import volume as virt_volume
from virt.chain import Files, machine_disks
from virt.errors import Conflict, NoSpace, NotFound, Unsupported
from virt.machine import MachineSeen
from virt.volume import VolumeSpec
from virt.xml.read.disk import Disk

_FOLDERS = ("dir", "fs", "netfs")
_GIB = 2**30


@dataclass
class Disks:
    """
    paths     disk → path on the target, for those that are elsewhere there
    copied    disks whose content has to go over
    proven    all others that are files were seen from both hosts
    """

    paths: dict[str, str] = field(default_factory=dict)
    copied: tuple[str, ...] = ()
    proven: bool = False


@dataclass(frozen=True)
class _Copy:
    target: str
    path: str
    format: str
    capacity_bytes: int
    taken_bytes: int
    pool: str  # uuid, on the target
    name: str


def arrange(hosted: Hosted, seen: MachineSeen) -> Disks:
    """Look where each disk is on the target, and make volumes for those that are to be copied. Each is noted before it is made."""
    disks = {disk.target: disk for disk in machine_disks(seen.live_xml)}
    wanted = hosted.options.storage
    if unknown := set(wanted) - disks.keys():
        raise Unsupported(f"It has no disk {', '.join(sorted(unknown))}.")
    files = Files(hosted.source)
    found = _shared(hosted, files, [disk for disk in disks.values() if disk.target not in wanted])
    copies = [_planned(hosted, files, disks[target], pool) for target, pool in wanted.items()]
    _need_room(hosted, copies)
    for copy in copies:
        path = _make(hosted, copy)
        if path != copy.path or disks[copy.target].kind != "file":
            found.paths[copy.target] = path
    found.copied = tuple(copy.target for copy in copies)
    hosted.record.keep(copies={copy.target: [copy.path, found.paths.get(copy.target, copy.path), copy.taken_bytes] for copy in copies})
    return found


def carry_over(hosted: Hosted, copies: Mapping[str, list[object]]) -> None:
    """Copy the disks of a machine that is off, one after the other."""
    whole = sum(int(str(taken)) for _, _, taken in copies.values()) or 1
    done = 0
    for target, (here, there, taken) in copies.items():
        hosted.work.phase(f"Copying {target} to {there}", 100 * done / whole)

        def go_on(sent: int, before: int = done) -> bool:
            hosted.work.progress(min(98.0, 100 * (before + sent) / whole), disk_total=whole, disk_left=max(0, whole - before - sent))
            return not hosted.work.cancelled()

        try:
            copying.copy(hosted.source, str(here), hosted.target, str(there), go_on)
        except copying.Stopped:
            raise Cancelled from None
        done += int(str(taken))


def _shared(hosted: Hosted, files: Files, disks: list[Disk]) -> Disks:
    """Disks that are files are looked for from the target; of others (block devices, network disks) libvirt knows enough."""
    at = {disk.target: files.path_of(disk) for disk in disks if disk.kind in ("file", "volume")}
    folders = sorted({os.path.dirname(path) for path in at.values() if path})
    if not folders:
        return Disks()
    hosted.work.log(f"Seeing whether {hosted.target_host.name} has the same {', '.join(folders)}")
    marker = f"webvirt-same-j{hosted.work.job.pk}"
    hosted.record.keep(marker=marker, folders=folders)
    places = {folder: sharing.place_of(hosted.source, hosted.target, folder, marker) for folder in folders}
    found = Disks(proven=all(places.values()))
    for target, path in at.items():
        folder, name = os.path.split(path)
        if places.get(folder) not in ("", None, folder):
            found.paths[target] = os.path.join(places[folder], name)
    return found


def _planned(hosted: Hosted, files: Files, disk: Disk, pool_name: str) -> _Copy:
    path = files.path_of(disk) if disk.kind in ("file", "volume") else disk.source
    layer = files.layer(path) if disk.kind in ("file", "volume", "block") and path else None
    if layer is None:
        raise Unsupported(f"The disk {disk.target} can't be copied: {hosted.source_host.name} has no volume {path or disk.kind}.")
    pool = lookups.active_pool(hosted.target, pool_name)
    kind = disk.format or "raw"
    if kind != "raw" and virt_pool.read(hosted.target, pool).kind not in _FOLDERS:
        raise Unsupported(f"The pool {pool_name} holds raw volumes alone, and {disk.target} is {kind}.")
    if layer.backing and not hosted.on:
        raise Unsupported(f"The disk {disk.target} rests on {layer.backing}. Start the machine and move it live: what it holds goes over as one file.")
    return _Copy(disk.target, path, kind, layer.capacity_bytes, layer.allocation_bytes, pool, _free_name(hosted, pool, os.path.basename(path)))


def _free_name(hosted: Hosted, pool: str, name: str) -> str:
    """That of the source where it is free; else with the job's number, which nobody else's has."""
    virt_pool.refresh(hosted.target, pool)
    if not virt_volume.exists(hosted.target, pool, name):
        return name
    stem, dot, ending = name.rpartition(".")
    return f"{stem}.j{hosted.work.job.pk}.{ending}" if dot else f"{name}.j{hosted.work.job.pk}"


def _need_room(hosted: Hosted, copies: list[_Copy]) -> None:
    needed: dict[str, int] = {}
    for copy in copies:
        needed[copy.pool] = needed.get(copy.pool, 0) + copy.taken_bytes
    for pool, size in needed.items():
        seen = virt_pool.read(hosted.target, pool)
        if size > seen.available_bytes:
            free, where = seen.available_bytes / _GIB, f"the pool {seen.name} of {hosted.target_host.name}"
            raise NoSpace(f"It takes {size / _GIB:.1f} GiB, and {where} has {free:.1f} GiB free.")


def _make(hosted: Hosted, copy: _Copy) -> str:
    hosted.work.log(f"Making {copy.name} on {hosted.target_host.name} for {copy.target}")
    hosted.record.note(copy.pool, copy.name)
    try:
        return virt_volume.create(hosted.target, copy.pool, VolumeSpec(copy.name, copy.capacity_bytes, copy.format))
    except Conflict:
        hosted.record.forget(copy.pool, copy.name)  # somebody else's
        raise


def remove(hosted: Hosted) -> None:
    """What was made on the target and belongs to no machine. Raises when the target can't be asked; what is noted stays noted then."""
    for item in list(hosted.record.made):
        if virt_pool.read(hosted.target, item["pool"]).kind in _FOLDERS:
            virt_pool.refresh(hosted.target, item["pool"])
        try:
            virt_volume.delete(hosted.target, item["pool"], item["volume"])
        except NotFound:
            pass
        else:
            hosted.work.log(f"Removed {item['volume']} from {hosted.target_host.name}.")
        hosted.record.forget(item["pool"], item["volume"])
