"""What happens on a host, as it happens. An event is a hint: whoever gets one reads the object again.

libvirt's callbacks run in the process's one event thread, so a sink only queues and returns.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import libvirt

from virt.connection import Connection
from virt.errors import Conflict
from virt.loop import Loop as Loop
from virt.translation import translate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to an object of one host.

    kind    "domain", "network", "pool", "node-device", or "connection-closed"
    uuid    of the object; "" for node devices and the connection
    event   "started", "defined", "reboot", "agent" … ("closed" for the connection)
    detail  libvirt's finer word ("migrated", "renamed" …), a disk, a path, a reason; "" without
    at      when it reached us, UTC
    """

    kind: str
    uuid: str
    name: str
    event: str
    detail: str
    at: datetime


Sink = Callable[[Event], None]


class Subscription:
    """Ends with `close()`, which never raises; also after the connection broke."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._undo: list[Callable[[], object]] = []

    def add(self, undo: Callable[[], object]) -> None:
        """Remember how to take one registration back."""
        self._undo.append(undo)

    def close(self) -> None:
        """Take all registrations back. On a broken connection libvirt has dropped them already."""
        undo, self._undo = self._undo, []
        for step in undo:
            with contextlib.suppress(libvirt.libvirtError):
                step()
        self._connection.subscribed = False


def subscribe(connection: Connection, sink: Sink) -> Subscription:
    """Send everything that happens on the host to `sink`; at most one subscription a connection (raises Conflict).

    The connection must have been opened after `Loop.start()`. What a driver does not offer is left out.
    """
    if connection.subscribed:
        raise Conflict("This connection has a subscription already.")
    connection.subscribed = True
    subscription = Subscription(connection)
    tell = _teller(sink)
    try:
        with translate():
            _register_close(connection.raw, tell, subscription)
            for event_id, callback in _domain_callbacks(tell).items():
                _register_domain(connection.raw, event_id, callback, subscription)
            _register_others(connection.raw, tell, subscription)
    except BaseException:
        subscription.close()
        raise
    return subscription


Tell = Callable[[str, str, str, str, str], None]


def _teller(sink: Sink) -> Tell:
    """What callbacks call. An exception must not get back into libvirt, which would print it and go on."""

    def tell(kind: str, uuid: str, name: str, event: str, detail: str) -> None:
        try:
            sink(Event(kind, uuid, name, event, detail, datetime.now(UTC)))
        except Exception:
            logger.exception("an event was lost: %s %s %s", kind, name, event)

    return tell


def _register_close(raw: libvirt.virConnect, tell: Tell, subscription: Subscription) -> None:
    def closed(_conn: libvirt.virConnect, reason: int, _opaque: object) -> None:
        tell("connection-closed", "", "", "closed", _CLOSE_REASONS.get(reason, str(reason)))

    with _leave_out_unsupported():
        raw.registerCloseCallback(closed, None)
        subscription.add(raw.unregisterCloseCallback)


def _register_domain(raw: libvirt.virConnect, event_id: int, callback: Callable[..., None], subscription: Subscription) -> None:
    with _leave_out_unsupported():
        number = raw.domainEventRegisterAny(None, event_id, callback, None)
        subscription.add(lambda: raw.domainEventDeregisterAny(number))


def _domain_callbacks(tell: Tell) -> dict[int, Callable[..., None]]:
    """libvirt's event ids with their callbacks, whose arguments differ by id (virConnectDomainEvent…Callback)."""

    def lifecycle(_conn: object, domain: libvirt.virDomain, event: int, detail: int, _opaque: object) -> None:
        word = _LIFECYCLE.get(event, str(event))
        tell("domain", domain.UUIDString(), domain.name(), word, _lifecycle_detail(word, detail))

    def plain(word: str, *, detail_at: int | None = None) -> Callable[..., None]:
        def callback(_conn: object, domain: libvirt.virDomain, *rest: object) -> None:
            detail = "" if detail_at is None else str(rest[detail_at] or "")
            tell("domain", domain.UUIDString(), domain.name(), word, detail)

        return callback

    def agent(_conn: object, domain: libvirt.virDomain, state: int, _reason: int, _opaque: object) -> None:
        up = state == libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED
        tell("domain", domain.UUIDString(), domain.name(), "agent", "connected" if up else "disconnected")

    return {
        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: lifecycle,
        libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE: agent,
        libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: plain("reboot"),
        libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG: plain("watchdog"),
        libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: plain("io-error", detail_at=3),
        libvirt.VIR_DOMAIN_EVENT_ID_CONTROL_ERROR: plain("control-error"),
        libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2: plain("block-job", detail_at=0),
        libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE: plain("disk-changed", detail_at=2),
        libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE: plain("tray", detail_at=0),
        libvirt.VIR_DOMAIN_EVENT_ID_PMWAKEUP: plain("wake-up"),
        libvirt.VIR_DOMAIN_EVENT_ID_PMSUSPEND: plain("sleep"),
        libvirt.VIR_DOMAIN_EVENT_ID_PMSUSPEND_DISK: plain("hibernate"),
        libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE: plain("balloon", detail_at=0),
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED: plain("device-added", detail_at=0),
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: plain("device-removed", detail_at=0),
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED: plain("device-removal-failed", detail_at=0),
        libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE: plain("tuned"),
        libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE: plain("metadata"),
        libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED: plain("job-completed"),
        libvirt.VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE: plain("memory-failure"),
        libvirt.VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE: plain("memory-device", detail_at=0),
    }


def _register_others(raw: libvirt.virConnect, tell: Tell, subscription: Subscription) -> None:
    def network(_conn: object, item: libvirt.virNetwork, event: int, _detail: int, _opaque: object) -> None:
        tell("network", item.UUIDString(), item.name(), _NETWORK.get(event, str(event)), "")

    def pool(_conn: object, item: libvirt.virStoragePool, event: int, _detail: int, _opaque: object) -> None:
        tell("pool", item.UUIDString(), item.name(), _POOL.get(event, str(event)), "")

    def refreshed(_conn: object, item: libvirt.virStoragePool, _opaque: object) -> None:
        tell("pool", item.UUIDString(), item.name(), "refreshed", "")

    def device(_conn: object, item: libvirt.virNodeDevice, event: int, _detail: int, _opaque: object) -> None:
        tell("node-device", "", item.name(), _NODE_DEVICE.get(event, str(event)), "")

    def changed(_conn: object, item: libvirt.virNodeDevice, _opaque: object) -> None:
        tell("node-device", "", item.name(), "updated", "")

    pool_id, device_id = libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE
    for register, deregister, event_id, callback in (
        (raw.networkEventRegisterAny, raw.networkEventDeregisterAny, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, network),
        (raw.storagePoolEventRegisterAny, raw.storagePoolEventDeregisterAny, pool_id, pool),
        (raw.storagePoolEventRegisterAny, raw.storagePoolEventDeregisterAny, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, refreshed),
        (raw.nodeDeviceEventRegisterAny, raw.nodeDeviceEventDeregisterAny, device_id, device),
        (raw.nodeDeviceEventRegisterAny, raw.nodeDeviceEventDeregisterAny, libvirt.VIR_NODE_DEVICE_EVENT_ID_UPDATE, changed),
    ):
        with _leave_out_unsupported():
            number = register(None, event_id, callback, None)
            subscription.add(_undo(deregister, number))


def _undo(deregister: Callable[[int], object], number: int) -> Callable[[], object]:
    return lambda: deregister(number)


@contextlib.contextmanager
def _leave_out_unsupported() -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in _NOT_OFFERED:
            raise
        logger.debug("this host does not offer an event: %s", exc)


# older daemons refuse an event id they do not know as an invalid argument
_NOT_OFFERED = (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_UNSUPPORTED)

_CLOSE_REASONS = {
    libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "error",
    libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "closed by the host",
    libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "keepalive",
    libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT: "closed by us",
}

_LIFECYCLE = {
    libvirt.VIR_DOMAIN_EVENT_DEFINED: "defined",
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: "undefined",
    libvirt.VIR_DOMAIN_EVENT_STARTED: "started",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: "paused",
    libvirt.VIR_DOMAIN_EVENT_RESUMED: "resumed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED: "stopped",
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: "shutting-down",
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: "suspended",
    libvirt.VIR_DOMAIN_EVENT_CRASHED: "crashed",
}

# virDomainEvent<Word>DetailType, in their order
_DETAILS: dict[str, tuple[str, ...]] = {
    "defined": ("added", "updated", "renamed", "from-snapshot"),
    "undefined": ("removed", "renamed"),
    "started": ("booted", "migrated", "restored", "from-snapshot", "woken", "recovered"),
    "paused": ("by-request", "migrated", "io-error", "watchdog", "restored", "from-snapshot", "api-error", "postcopy", "postcopy-failed"),
    "resumed": ("unpaused", "migrated", "from-snapshot", "postcopy", "postcopy-failed"),
    "stopped": ("shut-down", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot", "recovered"),
    "shutting-down": ("finished", "guest", "host"),
    "suspended": ("memory", "disk"),
    "crashed": ("panicked", "crash-loaded"),
}


def _lifecycle_detail(word: str, detail: int) -> str:
    words = _DETAILS.get(word, ())
    return words[detail] if 0 <= detail < len(words) else ""


_NETWORK = {
    libvirt.VIR_NETWORK_EVENT_DEFINED: "defined",
    libvirt.VIR_NETWORK_EVENT_UNDEFINED: "undefined",
    libvirt.VIR_NETWORK_EVENT_STARTED: "started",
    libvirt.VIR_NETWORK_EVENT_STOPPED: "stopped",
}
_POOL = {
    libvirt.VIR_STORAGE_POOL_EVENT_DEFINED: "defined",
    libvirt.VIR_STORAGE_POOL_EVENT_UNDEFINED: "undefined",
    libvirt.VIR_STORAGE_POOL_EVENT_STARTED: "started",
    libvirt.VIR_STORAGE_POOL_EVENT_STOPPED: "stopped",
    libvirt.VIR_STORAGE_POOL_EVENT_CREATED: "created",
    libvirt.VIR_STORAGE_POOL_EVENT_DELETED: "deleted",
}
_NODE_DEVICE = {
    libvirt.VIR_NODE_DEVICE_EVENT_CREATED: "created",
    libvirt.VIR_NODE_DEVICE_EVENT_DELETED: "deleted",
    libvirt.VIR_NODE_DEVICE_EVENT_DEFINED: "defined",
    libvirt.VIR_NODE_DEVICE_EVENT_UNDEFINED: "undefined",
}
