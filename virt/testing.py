"""The one fake: a hypervisor in memory, behind the same `Connection` that everybody uses.

For tests of what libvirt's own test driver can't show: failures at a chosen call, counters, agents, a link that breaks.
It speaks as QEMU's driver does (error codes and texts are copied from libvirt 9), so that `virt` above it is the real one.

    host = FakeHost()
    uuid = host.add("web1", State.RUNNING)
    host.fail("destroyFlags", libvirt.VIR_ERR_OPERATION_TIMEOUT, "cannot acquire state change lock")
    machine.force_off(host.connect(), uuid)   # raises Busy
"""

from __future__ import annotations

import uuid as uuids
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import libvirt

from virt.connection import Connection
from virt.state import State
from virt.uri import Endpoint

Callback = Callable[..., None]


@dataclass
class FakeMachine:
    """One machine's whole state; a test may set any of it. `stats`, `addresses` and `guest` are as libvirt-python gives them."""

    name: str
    uuid: str
    state: int
    reason: int = 0
    persistent: bool = True
    autostart: bool = False
    saved: bool = False
    vcpus: int = 2
    stats: dict[str, Any] = field(default_factory=dict)
    addresses: dict[int, dict[str, Any]] = field(default_factory=dict)
    guest: dict[str, Any] | None = None

    @property
    def xml(self) -> str:
        """Enough of a definition to be read."""
        return (
            f"<domain type='kvm'><name>{self.name}</name><uuid>{self.uuid}</uuid><memory unit='MiB'>256</memory>"
            f"<vcpu>{self.vcpus}</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><devices/></domain>"
        )


class FakeHost:
    """A hypervisor. `calls` counts what was asked of it, by libvirt-python's method names."""

    def __init__(self) -> None:
        self.machines: dict[str, FakeMachine] = {}
        self.calls: Counter[str] = Counter()
        self._failures: dict[str, deque[libvirt.libvirtError]] = {}
        self._links: list[_Link] = []

    def add(self, name: str, state: State = State.OFF, **more: Any) -> str:
        """A machine, without an event; its uuid."""
        uuid = str(uuids.uuid4())
        self.machines[uuid] = FakeMachine(name, uuid, _NUMBERS[state], **more)
        return uuid

    def connect(self) -> Connection:
        """A new connection to this host."""
        link = _Link(self)
        self._links.append(link)
        return Connection(Endpoint("socket", path="/fake"), cast(libvirt.virConnect, link))

    def fail(self, call: str, code: int, message: str, *, domain: int = libvirt.VIR_FROM_QEMU) -> None:
        """The next call of this name fails so (once; several failures queue up)."""
        self._failures.setdefault(call, deque()).append(libvirt_error(code, message, domain=domain))

    def break_link(self, reason: int = libvirt.VIR_CONNECT_CLOSE_REASON_EOF) -> None:
        """All connections break, as when libvirtd dies."""
        links, self._links = self._links, []
        for link in links:
            link.lose(reason)

    def happen(self, machine: FakeMachine, event: int, detail: int = 0) -> None:
        """A lifecycle event reaches everybody who subscribed."""
        for link in list(self._links):
            link.tell(machine, event, detail)

    def called(self, call: str) -> None:
        """Count a call; raise what it was told to fail with."""
        self.calls[call] += 1
        if waiting := self._failures.get(call):
            raise waiting.popleft()


def libvirt_error(code: int, message: str, *, domain: int = libvirt.VIR_FROM_QEMU, int1: int = -1) -> libvirt.libvirtError:
    """An exception as libvirt-python raises it. `int1`: the errno of a system error."""
    error = libvirt.libvirtError(message)
    error.err = (code, domain, message, libvirt.VIR_ERR_ERROR, message, None, None, int1, -1)
    return error


class _Link:
    """Stands for a virConnect."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self._alive = True
        self._closed: Callback | None = None
        self._callbacks: dict[int, Callback] = {}
        self._numbers = iter(range(1_000_000))

    def close(self) -> int:
        self._alive = False
        return 0

    def isAlive(self) -> int:
        return int(self._alive)

    def lookupByUUIDString(self, uuid: str) -> _Domain:
        self.called("lookupByUUIDString")
        if uuid not in self._host.machines:
            raise libvirt_error(libvirt.VIR_ERR_NO_DOMAIN, f"Domain not found: no domain with matching uuid '{uuid}'")
        return _Domain(self, self._host, self._host.machines[uuid])

    def listAllDomains(self, flags: int = 0) -> list[_Domain]:
        self.called("listAllDomains")
        wanted: Callable[[FakeMachine], bool] = _FILTERS[flags]
        return [_Domain(self, self._host, each) for each in self._host.machines.values() if wanted(each)]

    def getAllDomainStats(self, stats: int = 0, flags: int = 0) -> list[tuple[_Domain, dict[str, Any]]]:
        self.called("getAllDomainStats")
        active = flags & libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
        found = [each for each in self._host.machines.values() if not active or each.state != libvirt.VIR_DOMAIN_SHUTOFF]
        more = stats != libvirt.VIR_DOMAIN_STATS_STATE
        return [(_Domain(self, self._host, each), {"state.state": each.state, "state.reason": each.reason} | (each.stats if more else {})) for each in found]

    def registerCloseCallback(self, callback: Callback, _opaque: object) -> int:
        self._closed = callback
        return 0

    def unregisterCloseCallback(self) -> int:
        self._closed = None
        return 0

    def domainEventRegisterAny(self, _domain: object, event_id: int, callback: Callback, _opaque: object) -> int:
        self.called("domainEventRegisterAny")
        number = next(self._numbers)
        if event_id == libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE:
            self._callbacks[number] = callback
        return number

    def domainEventDeregisterAny(self, number: int) -> int:
        self._callbacks.pop(number, None)
        return 0

    def _offers_none(self, *_: object) -> int:
        raise libvirt_error(libvirt.VIR_ERR_NO_SUPPORT, "this function is not supported by the connection driver")

    networkEventRegisterAny = networkEventDeregisterAny = _offers_none
    storagePoolEventRegisterAny = storagePoolEventDeregisterAny = _offers_none
    nodeDeviceEventRegisterAny = nodeDeviceEventDeregisterAny = _offers_none
    listAllNetworks = listAllStoragePools = getMemoryStats = getCPUStats = _offers_none

    def called(self, call: str) -> None:
        if not self._alive:
            raise libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, "internal error: client socket is closed", domain=libvirt.VIR_FROM_RPC)
        self._host.called(call)

    def tell(self, machine: FakeMachine, event: int, detail: int) -> None:
        for callback in list(self._callbacks.values()):
            callback(self, _Domain(self, self._host, machine), event, detail, None)

    def lose(self, reason: int) -> None:
        self._alive = False
        if self._closed:
            self._closed(self, reason, None)


class _Domain:
    """Stands for a virDomain."""

    def __init__(self, link: _Link, host: FakeHost, machine: FakeMachine) -> None:
        self._link, self._host, self._machine = link, host, machine

    def name(self) -> str:
        return self._machine.name

    def UUIDString(self) -> str:
        return self._machine.uuid

    def XMLDesc(self, _flags: int = 0) -> str:
        return self._asked("XMLDesc").xml

    def state(self, _flags: int = 0) -> tuple[int, int]:
        machine = self._asked("state")
        return machine.state, machine.reason

    def info(self) -> list[int]:
        return [self._asked("info").state, 262144, 262144, self._machine.vcpus, 0]

    def isPersistent(self) -> int:
        return int(self._asked("isPersistent").persistent)

    def autostart(self) -> int:
        return int(self._asked("autostart").autostart)

    def hasManagedSaveImage(self, _flags: int = 0) -> int:
        return int(self._asked("hasManagedSaveImage").saved)

    def setAutostart(self, on: int) -> int:
        self._asked("setAutostart").autostart = bool(on)
        return 0

    def createWithFlags(self, flags: int = 0) -> int:
        machine = self._asked("createWithFlags")
        if machine.state != libvirt.VIR_DOMAIN_SHUTOFF:
            raise libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID, "Requested operation is not valid: domain is already running")
        paused = flags & libvirt.VIR_DOMAIN_START_PAUSED
        machine.saved = False
        self._becomes(libvirt.VIR_DOMAIN_PAUSED if paused else libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_EVENT_STARTED)
        return 0

    def destroyFlags(self, _flags: int = 0) -> int:
        self._running("destroyFlags")
        self._becomes(libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_EVENT_STOPPED, 1)
        return 0

    def shutdown(self) -> int:
        """A guest that listens at once."""
        self._running("shutdown")
        self._becomes(libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_EVENT_STOPPED, 0)
        return 0

    def managedSave(self, _flags: int = 0) -> int:
        self._running("managedSave").saved = True
        self._becomes(libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_EVENT_STOPPED, 4)
        return 0

    def suspend(self) -> int:
        self._running("suspend")
        self._becomes(libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED)
        return 0

    def resume(self) -> int:
        self._running("resume")
        self._becomes(libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_EVENT_RESUMED)
        return 0

    def pMWakeup(self, _flags: int = 0) -> int:
        self._running("pMWakeup")
        self._becomes(libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_EVENT_STARTED, 4)
        return 0

    def reboot(self, _flags: int = 0) -> int:
        self._running("reboot")
        return 0

    def reset(self, _flags: int = 0) -> int:
        self._running("reset")
        return 0

    def injectNMI(self, _flags: int = 0) -> int:
        self._running("injectNMI")
        return 0

    def undefineFlags(self, _flags: int = 0) -> int:
        machine = self._asked("undefineFlags")
        machine.persistent = False
        if machine.state == libvirt.VIR_DOMAIN_SHUTOFF:
            del self._host.machines[machine.uuid]
        self._host.happen(machine, libvirt.VIR_DOMAIN_EVENT_UNDEFINED)
        return 0

    def interfaceAddresses(self, source: int, _flags: int = 0) -> dict[str, Any]:
        machine = self._running("interfaceAddresses")
        if source not in machine.addresses and source == libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT:
            raise libvirt_error(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, "Guest agent is not responding: QEMU guest agent is not connected")
        return machine.addresses.get(source, {})

    def guestInfo(self, _types: int = 0, _flags: int = 0) -> dict[str, Any]:
        machine = self._running("guestInfo")
        if machine.guest is None:
            raise libvirt_error(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, "Guest agent is not responding: QEMU guest agent is not connected")
        return machine.guest

    def _asked(self, call: str) -> FakeMachine:
        self._link.called(call)
        if self._machine.uuid not in self._host.machines:
            raise libvirt_error(libvirt.VIR_ERR_NO_DOMAIN, "Domain not found")
        return self._machine

    def _running(self, call: str) -> FakeMachine:
        machine = self._asked(call)
        if machine.state == libvirt.VIR_DOMAIN_SHUTOFF:
            raise libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID, "Requested operation is not valid: domain is not running")
        return machine

    def _becomes(self, state: int, event: int, detail: int = 0) -> None:
        self._machine.state, self._machine.reason = state, 0
        if state == libvirt.VIR_DOMAIN_SHUTOFF and not self._machine.persistent:
            del self._host.machines[self._machine.uuid]
        self._host.happen(self._machine, event, detail)


_NUMBERS = {
    State.RUNNING: libvirt.VIR_DOMAIN_RUNNING,
    State.PAUSED: libvirt.VIR_DOMAIN_PAUSED,
    State.OFF: libvirt.VIR_DOMAIN_SHUTOFF,
    State.SHUTTING_DOWN: libvirt.VIR_DOMAIN_SHUTDOWN,
    State.CRASHED: libvirt.VIR_DOMAIN_CRASHED,
    State.SUSPENDED: libvirt.VIR_DOMAIN_PMSUSPENDED,
}

_FILTERS: dict[int, Callable[[FakeMachine], bool]] = {
    0: lambda _machine: True,
    libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART: lambda machine: machine.autostart,
    libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT: lambda machine: machine.persistent,
    libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE: lambda machine: machine.saved,
}
