"""What else of a host is looked at now and then: its pools, networks, devices, snapshots …, each one study.

A study is read by a helper thread and written by the writer. Reading again and again costs little while nothing changed:
what equals the last sight is not even compared with the rows. It is also read soon after an event about its kind of
object, after a job that says so (jobs.kinds.Kind.stirs), and when somebody looks (live.wishes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hosts.devices import inventory as devices
from hosts.networks import inventory as networks
from hosts.readiness import inventory as readiness
from hosts.storage import inventory as storage
from machines.snapshots import inventory as snapshots
from virt import capabilities
from virt.connection import Connection

Seconds = float


@dataclass(frozen=True)
class Study:
    """One kind of thing, on every host.

    name     as in jobs.kinds.Kind.stirs and live.wishes
    period   between two looks that nothing asked for
    read     what the host shows, frozen values that compare by content; may take its time, raises virt.errors.VirtError
    store    (host id, what was read): compares it with the rows and writes what differs; in the writer's transaction, which
             it may not leave. Publishes what pages need to know (live.facts)
    events   kinds of virt.events.Event after which it looks again: "pool", "network", "node-device", "domain"
    """

    name: str
    period: Seconds
    read: Callable[[Connection], Any]
    store: Callable[[int, Any], None]
    events: frozenset[str] = frozenset()


STUDIES: tuple[Study, ...] = (
    # A new file in a directory, a disk that grows, a pool that fills: libvirt sends no event for them.
    Study("pool", 60.0, storage.read, storage.store, frozenset({"pool"})),
    # An update of a running network comes without an event.
    Study("networks", 60.0, networks.read, networks.store, frozenset({"network"})),
    # No event tells of them: soon after a machine starts they are read as often as its addresses are (watcher/guests.py).
    Study("dhcp", 30.0, networks.read_leases, networks.store_leases, frozenset({"network"})),
    # No event tells of them.
    Study(snapshots.NAME, snapshots.PERIOD_SECONDS, snapshots.read, snapshots.store),
    # A new QEMU or firmware shows by the next look; the first one on a fresh libvirtd takes a minute: the last in line.
    Study("capabilities", 600.0, capabilities.offers, devices.store_offers),
    Study(devices.NAME, devices.PERIOD_SECONDS, devices.read, devices.store, frozenset({"node-device"})),
    Study(readiness.NAME, readiness.PERIOD_SECONDS, readiness.read, readiness.store),
)


def stirred_by(event_kinds: Iterable[str]) -> set[str]:
    """Names of the studies that look again after events of these kinds."""
    kinds = set(event_kinds)
    return {study.name for study in STUDIES if not kinds.isdisjoint(study.events)}
