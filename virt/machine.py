"""A host's machines: seeing them, and the verbs of their life. Machines are named by uuid throughout.

Every function raises the exceptions of `virt.errors`. A verb returns when libvirt has taken it: what came of it, the
host's event tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import libvirt

from virt.connection import Connection
from virt.errors import WrongState
from virt.guest import Address as Address
from virt.guest import Guest as Guest
from virt.guest import addresses as addresses
from virt.guest import guest as guest
from virt.screen import screenshot as screenshot
from virt.state import State as State
from virt.translation import translate
from virt.xml.read import Definition, read_definition


@dataclass(frozen=True)
class MachineSeen:
    """A machine as its host shows it.

    reason             libvirt's word for how it came into the state: "booted", "migrated", "shut-down", "io-error" …
    has_saved_image    off, with its memory saved: starting it goes on where it was
    live_xml           the XML in force (that of the running machine, or the stored one)
    inactive_xml       the stored XML of a running persistent machine, "" otherwise
    """

    uuid: str
    name: str
    state: State
    reason: str
    persistent: bool
    autostart: bool
    has_saved_image: bool
    live_xml: str
    inactive_xml: str

    @cached_property
    def definition(self) -> Definition:
        """`live_xml`, read. Read at first use only: a repair sync that finds `xml_hash` unchanged never needs it."""
        return read_definition(self.live_xml)

    @property
    def title(self) -> str:
        """The title somebody gave it, "" without."""
        return self.definition.title

    @cached_property
    def xml_hash(self) -> str:
        """32 hex digits, the same as long as both XMLs are."""
        digest = hashlib.blake2b(self.live_xml.encode(), digest_size=16)
        digest.update(b"\0" + self.inactive_xml.encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Glance:
    """What four calls tell of a machine, however many there are: enough to notice that it needs a second look."""

    uuid: str
    name: str
    state: State
    persistent: bool
    autostart: bool
    has_saved_image: bool


def glance(connection: Connection) -> list[Glance]:
    """Every machine without its XML. There is no event for autostart, nor for all ways in which a machine leaves a host."""
    with translate():
        return [
            Glance(found.uuid, found.domain.name(), _state_of(found.state), found.persistent, found.autostart, found.saved)
            for found in _listed(connection.raw)
            if found.state
        ]


def list_all(connection: Connection) -> list[MachineSeen]:
    """Every machine of the host, in few calls: four for the lists, then one or two per machine for the XML.

    Not one moment's picture: what changes meanwhile comes as an event. A machine that goes away meanwhile is left out.
    """
    with translate():
        found = []
        for listed in _listed(connection.raw):
            flags = (listed.persistent, listed.autostart, listed.saved)
            if seen := _unless_gone(lambda: _see(listed.domain, listed.state, *flags)):  # noqa: B023 - called at once
                found.append(seen)
        return found


def read(connection: Connection, uuid: str) -> MachineSeen | None:
    """One machine, None when it is not on the host (any more)."""
    with translate():
        return _unless_gone(lambda: _read(connection.raw.lookupByUUIDString(uuid)))


def state(connection: Connection, uuid: str) -> State:
    """The state alone, one cheap call. Raises NotFound."""
    with translate():
        number, _reason = connection.raw.lookupByUUIDString(uuid).state()
        return _STATES.get(number, State.UNKNOWN)


def start(connection: Connection, uuid: str, *, paused: bool = False, discard_saved: bool = False) -> None:
    """Start, or go on from a saved image. `discard_saved`: throw that image away and boot; `paused`: don't run yet."""
    flags = libvirt.VIR_DOMAIN_START_PAUSED if paused else 0
    flags |= libvirt.VIR_DOMAIN_START_FORCE_BOOT if discard_saved else 0
    _do(connection, uuid, lambda domain: domain.createWithFlags(flags))


def shutdown(connection: Connection, uuid: str) -> None:
    """Ask the guest to shut down (by its agent, else ACPI). The guest may take its time, or not listen at all."""
    _do(connection, uuid, lambda domain: domain.shutdown())


def reboot(connection: Connection, uuid: str) -> None:
    """Ask the guest to reboot (by its agent, else ACPI)."""
    _do(connection, uuid, lambda domain: domain.reboot(0))


def reset(connection: Connection, uuid: str) -> None:
    """The reset button: the guest has no chance to write anything back."""
    _do(connection, uuid, lambda domain: domain.reset(0))


def force_off(connection: Connection, uuid: str, *, graceful: bool = False) -> None:
    """Pull the plug. `graceful`: only if QEMU itself ends in time (its buffers flushed), else raise Busy."""
    flags = libvirt.VIR_DOMAIN_DESTROY_GRACEFUL if graceful else 0
    _do(connection, uuid, lambda domain: domain.destroyFlags(flags))


def pause(connection: Connection, uuid: str) -> None:
    """Stop the virtual CPUs; memory stays."""
    _do(connection, uuid, lambda domain: domain.suspend())


def resume(connection: Connection, uuid: str) -> None:
    """Go on after a pause, or wake a guest that put itself to sleep."""

    def wake(domain: libvirt.virDomain) -> None:
        number, _reason = domain.state()
        if number == libvirt.VIR_DOMAIN_PMSUSPENDED:
            domain.pMWakeup(0)
        else:
            domain.resume()

    _do(connection, uuid, wake)


def save(connection: Connection, uuid: str) -> None:
    """Write the memory to the host's disk and stop. Takes as long as the memory is big."""
    _do(connection, uuid, lambda domain: domain.managedSave(0))


def has_running_job(connection: Connection, uuid: str) -> bool:
    """Whether libvirt itself works on the machine for long: saving, migrating, dumping, backing up."""
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        kind = domain.jobInfo()[0] if domain.isActive() else libvirt.VIR_DOMAIN_JOB_NONE
        return kind in (libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)


def abort_job(connection: Connection, uuid: str) -> None:
    """Stop what `has_running_job` tells of; the machine runs on. Callable from another thread than the one that waits."""
    _do(connection, uuid, lambda domain: domain.abortJob())


def restore(connection: Connection, uuid: str) -> None:
    """Go on from the saved image; raises WrongState when there is none (a start would boot then)."""

    def from_image(domain: libvirt.virDomain) -> None:
        if not domain.hasManagedSaveImage(0):
            raise WrongState("The machine has no saved state.")
        domain.createWithFlags(0)

    _do(connection, uuid, from_image)


def nmi(connection: Connection, uuid: str) -> None:
    """Send a non-maskable interrupt: guests set up for it dump their memory."""
    _do(connection, uuid, lambda domain: domain.injectNMI(0))


def set_autostart(connection: Connection, uuid: str, on: bool) -> None:
    """Whether the machine starts with its host."""
    _do(connection, uuid, lambda domain: domain.setAutostart(1 if on else 0))


def define(connection: Connection, xml: str) -> str:
    """Store a machine's XML, new or changed; its uuid. Slow on a fresh libvirtd, which probes QEMU first."""
    with translate():
        return connection.raw.defineXMLFlags(xml, 0).UUIDString()


def undefine(connection: Connection, uuid: str, *, keep_variables: bool = False) -> None:
    """Forget the machine, with its saved image, UEFI variables (unless they are to be kept), snapshot and checkpoint metadata; disks stay.

    A running machine runs on as a transient one.
    """
    _do(connection, uuid, lambda domain: _undefine(domain, keep_variables=keep_variables))


def _undefine(domain: libvirt.virDomain, *, keep_variables: bool) -> None:
    full = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | (libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM if keep_variables else libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    )
    simple = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    try:
        domain.undefineFlags(full)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_SUPPORT):
            raise
        domain.undefineFlags(simple)  # the test driver knows no more


def _do(connection: Connection, uuid: str, verb: Callable[[libvirt.virDomain], object]) -> None:
    with translate():
        verb(connection.raw.lookupByUUIDString(uuid))


def _read(domain: libvirt.virDomain) -> MachineSeen:
    persistent = bool(domain.isPersistent())
    # transient machines have neither, and libvirt says so by an error
    autostart = persistent and bool(domain.autostart())
    saved = persistent and bool(domain.hasManagedSaveImage(0))
    number, reason = domain.state()
    return _see(domain, (number, reason), persistent, autostart, saved)


def _see(domain: libvirt.virDomain, state: tuple[int, int] | None, persistent: bool, autostart: bool, saved: bool) -> MachineSeen:
    number, reason = state or domain.state()
    live_xml = domain.XMLDesc(0)
    active = number not in _INACTIVE
    inactive_xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if active and persistent else ""
    return MachineSeen(
        uuid=domain.UUIDString(),
        name=domain.name(),
        state=_STATES.get(number, State.UNKNOWN),
        reason=_reason(number, reason),
        persistent=persistent,
        autostart=autostart,
        has_saved_image=saved,
        live_xml=live_xml,
        inactive_xml=inactive_xml,
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    """`state`: (state, reason), None where the driver does not tell it in bulk."""

    domain: libvirt.virDomain
    uuid: str
    state: tuple[int, int] | None
    persistent: bool
    autostart: bool
    saved: bool


def _listed(raw: libvirt.virConnect) -> list[_Listed]:
    domains = raw.listAllDomains(0)
    states = _states(raw)
    autostart = _uuids(raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART))
    persistent = _uuids(raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT))
    saved = _uuids(raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE))
    return [
        _Listed(domain, uuid, states.get(uuid), uuid in persistent, uuid in autostart, uuid in saved) for domain in domains for uuid in (domain.UUIDString(),)
    ]


def _state_of(state: tuple[int, int] | None) -> State:
    return _STATES.get(state[0], State.UNKNOWN) if state else State.UNKNOWN


def _states(raw: libvirt.virConnect) -> dict[str, tuple[int, int]]:
    """uuid → (state, reason) by one call that asks no guest; {} where the driver has no bulk statistics."""
    try:
        records = raw.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return {}
        raise
    return {domain.UUIDString(): (stats["state.state"], stats.get("state.reason", 0)) for domain, stats in records if "state.state" in stats}


def _uuids(domains: Iterable[libvirt.virDomain]) -> frozenset[str]:
    return frozenset(domain.UUIDString() for domain in domains)


def _unless_gone(look: Callable[[], MachineSeen]) -> MachineSeen | None:
    try:
        return look()
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_DOMAIN):
            return None
        raise


_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: State.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: State.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: State.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: State.SHUTTING_DOWN,
    libvirt.VIR_DOMAIN_SHUTOFF: State.OFF,
    libvirt.VIR_DOMAIN_CRASHED: State.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: State.SUSPENDED,
}

_INACTIVE = (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED, libvirt.VIR_DOMAIN_NOSTATE)

# virDomain<State>Reason, in their order; 0 is "unknown" everywhere
_REASONS: dict[int, tuple[str, ...]] = {
    libvirt.VIR_DOMAIN_RUNNING: (
        "", "booted", "migrated", "restored", "from-snapshot", "unpaused", "migration-cancelled",
        "save-cancelled", "woken", "crashed", "postcopy", "postcopy-failed",
    ),
    libvirt.VIR_DOMAIN_PAUSED: (
        "", "by-request", "migrating", "saving", "dumping", "io-error", "watchdog", "from-snapshot",
        "shutting-down", "snapshot", "crashed", "starting", "postcopy", "postcopy-failed", "api-error",
    ),
    libvirt.VIR_DOMAIN_SHUTDOWN: ("", "by-request"),
    libvirt.VIR_DOMAIN_SHUTOFF: (
        "", "shut-down", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot", "daemon",
    ),
    libvirt.VIR_DOMAIN_CRASHED: ("", "panicked"),
}  # fmt: skip


def _reason(state: int, reason: int) -> str:
    words = _REASONS.get(state, ())
    return words[reason] if 0 <= reason < len(words) else ""
