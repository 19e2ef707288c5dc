"""Merging a disk's layers while its machine runs, or stands still in memory: libvirt's block jobs.

https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainBlockCommit
"""

from __future__ import annotations

from dataclasses import dataclass

import libvirt

from virt.connection import Connection
from virt.translation import translate
from virt.xml.parse import parse
from virt.xml.read.values import attribute


@dataclass(frozen=True, slots=True)
class BlockJob:
    """`ready`: both files are the same now, and the disk can change over to the lower one."""

    done_bytes: int
    all_bytes: int
    ready: bool

    @property
    def percent(self) -> float:
        return 100.0 if not self.all_bytes else 100 * self.done_bytes / self.all_bytes


def find(connection: Connection, uuid: str, target: str) -> BlockJob | None:
    """The job that works on a disk now; None without one, or when the machine does not run."""
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        if not domain.isActive():
            return None
        info = domain.blockJobInfo(target, 0)
        return BlockJob(info["cur"], info["end"], _is_ready(domain.XMLDesc(0), target)) if info else None


def commit(connection: Connection, uuid: str, target: str, *, top: str, base: str, active: bool) -> None:
    """Begin to write what `top` and the files between hold into `base`. `active`: `top` is what the disk writes to, so `pivot` must follow."""
    flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE if active else 0
    with translate():
        connection.raw.lookupByUUIDString(uuid).blockCommit(target, base, top, 0, flags)


def pivot(connection: Connection, uuid: str, target: str) -> None:
    """Let the disk write to the lower file from now on."""
    with translate():
        connection.raw.lookupByUUIDString(uuid).blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)


def abort(connection: Connection, uuid: str, target: str) -> None:
    """Stop it: the disk keeps all its layers."""
    with translate():
        connection.raw.lookupByUUIDString(uuid).blockJobAbort(target, 0)


def _is_ready(xml: str, target: str) -> bool:
    for disk in parse(xml).iterfind("devices/disk"):
        if attribute(disk.find("target"), "dev") == target:
            return attribute(disk.find("mirror"), "ready") == "yes"
    return False
