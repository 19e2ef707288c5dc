"""Moving a machine from one host to another: the source's daemon talks to the target's (peer-to-peer), so that both go on when we are gone.

https://libvirt.org/migration.html, https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainMigrateToURI3
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import libvirt

from virt.connection import Connection
from virt.errors import NotFound, VirtError
from virt.translation import translate

MiBs = int  # MiB a second
Milliseconds = int


@dataclass(frozen=True)
class Order:
    """What libvirt is asked for.

    to               the target's libvirt, as the source reaches it: "qemu+tls://kvm-2/system"
    data             where memory and disks are sent, "tcp://10.0.0.2" with or without a port; "": the target chooses
    offline          the machine is off: its definition alone goes over
    live             the guest runs on while its memory is copied; else it stands still meanwhile
    copy             targets ("vda") of disks whose content is copied; their volumes are there on the target
    unsafe           libvirt can't see that the storage is shared, and we have proved it
    xml, stored_xml  definitions for the target where they differ from the source's, "" otherwise
    parallel         connections at once for the memory, 0: one, without that protocol
    max_downtime     how long the guest may stand still at the end, 0: as libvirt likes it
    bandwidth        at most, 0: without limit; what follows a guest that has gone over too
    resume           send the rest of a post-copy whose link broke; persist and undefine as the first time
    """

    to: str
    data: str = ""
    offline: bool = False
    live: bool = True
    copy: tuple[str, ...] = ()
    unsafe: bool = False
    xml: str = ""
    stored_xml: str = ""
    persist: bool = True
    undefine: bool = True
    post_copy: bool = False
    auto_converge: bool = False
    parallel: int = 0
    tls: bool = False
    tunnelled: bool = False
    bandwidth: MiBs = 0
    resume: bool = False

    @property
    def flags(self) -> int:
        if self.offline:
            wanted = {libvirt.VIR_MIGRATE_OFFLINE: True}
        else:
            wanted = {
                libvirt.VIR_MIGRATE_LIVE: self.live,
                libvirt.VIR_MIGRATE_ABORT_ON_ERROR: True,
                libvirt.VIR_MIGRATE_NON_SHARED_DISK: bool(self.copy),
                libvirt.VIR_MIGRATE_UNSAFE: self.unsafe,
                libvirt.VIR_MIGRATE_POSTCOPY: self.post_copy,
                libvirt.VIR_MIGRATE_AUTO_CONVERGE: self.auto_converge,
                libvirt.VIR_MIGRATE_PARALLEL: bool(self.parallel),
                libvirt.VIR_MIGRATE_TLS: self.tls,
                libvirt.VIR_MIGRATE_TUNNELLED: self.tunnelled,
                libvirt.VIR_MIGRATE_POSTCOPY_RESUME: self.resume,
            }
        wanted |= {
            libvirt.VIR_MIGRATE_PEER2PEER: True,
            libvirt.VIR_MIGRATE_PERSIST_DEST: self.persist,
            libvirt.VIR_MIGRATE_UNDEFINE_SOURCE: self.undefine,
        }
        return sum(flag for flag, on in wanted.items() if on)

    @property
    def parameters(self) -> dict[str, Any]:
        given = {
            libvirt.VIR_MIGRATE_PARAM_URI: "" if self.tunnelled else self.data,
            libvirt.VIR_MIGRATE_PARAM_DEST_XML: self.xml,
            libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: self.stored_xml if self.persist and not self.offline else "",
            libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: [] if self.offline else list(self.copy),
            libvirt.VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS: 0 if self.offline else self.parallel,
            libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: 0 if self.offline else self.bandwidth,
            libvirt.VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY: self.bandwidth if self.post_copy else 0,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Stats:
    """How far libvirt is, or how it was (`ended`). Sizes in bytes, rates in bytes a second, times in milliseconds.

    dirty_bps     how fast the guest changes its memory
    iteration     how often the memory was gone through
    downtime_ms   expected while it runs, measured when it has ended; None: not told
    post_copy     the guest runs on the target already, its memory follows
    """

    elapsed_ms: int = 0
    memory_total: int = 0
    memory_left: int = 0
    memory_bps: int = 0
    dirty_bps: int = 0
    iteration: int = 0
    disk_total: int = 0
    disk_left: int = 0
    disk_bps: int = 0
    downtime_ms: int | None = None
    setup_ms: int | None = None
    throttle_percent: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Definitions:
    """As another host can take them, secrets included: never to be kept or shown. `stored` is "" for a transient machine or one that is off."""

    xml: str
    stored: str


def definitions(connection: Connection, uuid: str) -> Definitions:
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        flags = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_MIGRATABLE
        if not domain.isActive():
            return Definitions(domain.XMLDesc(flags | libvirt.VIR_DOMAIN_XML_INACTIVE), "")
        stored = domain.XMLDesc(flags | libvirt.VIR_DOMAIN_XML_INACTIVE) if domain.isPersistent() else ""
        return Definitions(domain.XMLDesc(flags), stored)


def move(connection: Connection, uuid: str, order: Order) -> None:
    """Returns when the machine is on the target, or raises and it runs on here. Takes as long as it takes."""
    with translate():
        connection.raw.lookupByUUIDString(uuid).migrateToURI3(order.to, order.parameters, order.flags)


def probe(connection: Connection, uuid: str, to: str) -> None:
    """Whether this host reaches the libvirt at `to`; `uuid`: any machine of the host. Raises what keeps it from that.

    Nothing is moved: an offline migration that is not to be kept on the target is refused, but only after the hosts have
    met. A host that does not answer holds the call for seconds.
    """
    domain_flags = libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_OFFLINE
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        try:
            domain.migrateToURI3(to, {}, domain_flags)
        except libvirt.libvirtError as exc:
            if exc.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID or exc.get_error_domain() != libvirt.VIR_FROM_QEMU:
                raise
    return


def forget(connection: Connection, uuid: str) -> None:
    """Undefine what stayed behind of a machine that moved. Unlike virt.machine.undefine it leaves files alone."""
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)


def set_max_downtime(connection: Connection, uuid: str, milliseconds: Milliseconds) -> None:
    with translate():
        connection.raw.lookupByUUIDString(uuid).migrateSetMaxDowntime(milliseconds, 0)


def set_bandwidth(connection: Connection, uuid: str, mib: MiBs, *, post_copy: bool = False) -> None:
    """While it runs; `post_copy`: of what follows a guest that has gone over."""
    with translate():
        connection.raw.lookupByUUIDString(uuid).migrateSetMaxSpeed(mib, libvirt.VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY if post_copy else 0)


def start_post_copy(connection: Connection, uuid: str) -> None:
    """Let the guest go over now and its memory follow. From here on there is no way back."""
    with translate():
        connection.raw.lookupByUUIDString(uuid).migrateStartPostCopy(0)


def running(connection: Connection, uuid: str) -> Stats | None:
    """libvirt's migration of the machine away from here, None when there is none (or no such machine)."""
    try:
        with translate():
            domain = connection.raw.lookupByUUIDString(uuid)
            stats = domain.jobStats(0) if domain.isActive() else {}
    except NotFound:
        return None
    outgoing = stats.get(libvirt.VIR_DOMAIN_JOB_OPERATION) == libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
    return _stats(stats) if outgoing and stats.get("type") in (libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED) else None


def finished(connection: Connection, uuid: str) -> Stats | None:
    """What the target tells of a migration that has ended there; asking takes it from libvirt's memory."""
    try:
        with translate():
            stats = connection.raw.lookupByUUIDString(uuid).jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    except VirtError:
        return None
    return _stats(stats) if stats.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED else None


def _stats(told: Mapping[str, Any]) -> Stats:
    page = int(told.get(libvirt.VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, 4096))
    return Stats(
        elapsed_ms=told.get(libvirt.VIR_DOMAIN_JOB_TIME_ELAPSED, 0),
        memory_total=told.get(libvirt.VIR_DOMAIN_JOB_MEMORY_TOTAL, 0),
        memory_left=told.get(libvirt.VIR_DOMAIN_JOB_MEMORY_REMAINING, 0),
        memory_bps=told.get(libvirt.VIR_DOMAIN_JOB_MEMORY_BPS, 0),
        dirty_bps=told.get(libvirt.VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, 0) * page,
        iteration=told.get(libvirt.VIR_DOMAIN_JOB_MEMORY_ITERATION, 0),
        disk_total=told.get(libvirt.VIR_DOMAIN_JOB_DISK_TOTAL, 0),
        disk_left=told.get(libvirt.VIR_DOMAIN_JOB_DISK_REMAINING, 0),
        disk_bps=told.get(libvirt.VIR_DOMAIN_JOB_DISK_BPS, 0),
        downtime_ms=told.get(libvirt.VIR_DOMAIN_JOB_DOWNTIME),
        setup_ms=told.get(libvirt.VIR_DOMAIN_JOB_SETUP_TIME),
        throttle_percent=told.get(libvirt.VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE, 0),
        ended=told.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED,
    )
