"""How busy machines are: counters of a whole host by one call, and the rates between two readings."""

from __future__ import annotations

import time
from dataclasses import dataclass

import libvirt

from virt.connection import Connection
from virt.translation import translate


@dataclass(frozen=True, slots=True)
class RawSample:
    """A machine's counters. `at` is monotonic seconds; counters grow since the start; None: unknown.

    memory_bytes       what the guest has now (balloon)
    memory_used_bytes  of that, in use as the guest's balloon driver says; None without one (or before it spoke)
    """

    uuid: str
    at: float
    cpu_ns: int | None
    vcpus: int | None
    memory_used_bytes: int | None
    memory_bytes: int | None
    disk_read_bytes: int | None
    disk_write_bytes: int | None
    net_rx_bytes: int | None
    net_tx_bytes: int | None


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened between two readings: CPU as percent of all its virtual CPUs (0–100), bytes per second."""

    cpu_percent: float | None
    memory_used_bytes: int | None
    memory_bytes: int | None
    disk_read_bps: float | None
    disk_write_bps: float | None
    net_rx_bps: float | None
    net_tx_bps: float | None


def sample(connection: Connection) -> list[RawSample]:
    """Counters of all running machines, by one bulk call that does not wait for machines that are busy.

    A guest that hangs for good can hold the call for seconds all the same: give it a thread of its own per host.
    The test driver knows states only: every counter is None then.
    """
    with translate():
        records = connection.aside.getAllDomainStats(_GROUPS, _FLAGS)
        at = time.monotonic()
        samples = [_sample(domain, at, stats, connection.vcpus) for domain, stats in records]
    _forget_stopped(connection.vcpus, samples)
    return samples


def rates(before: RawSample, after: RawSample) -> Rates:
    """The rates between two samples of one machine. A counter that went back (restart, unplugged device) gives None."""
    seconds = after.at - before.at
    busy = _rate(before.cpu_ns, after.cpu_ns, seconds)
    cpu = None
    if busy is not None and after.vcpus:
        cpu = min(100.0, busy / 1e7 / after.vcpus)  # nanoseconds per second → percent
    return Rates(
        cpu_percent=cpu,
        memory_used_bytes=after.memory_used_bytes,
        memory_bytes=after.memory_bytes,
        disk_read_bps=_rate(before.disk_read_bytes, after.disk_read_bytes, seconds),
        disk_write_bps=_rate(before.disk_write_bytes, after.disk_write_bytes, seconds),
        net_rx_bps=_rate(before.net_rx_bytes, after.net_rx_bytes, seconds),
        net_tx_bps=_rate(before.net_tx_bytes, after.net_tx_bytes, seconds),
    )


# Not VCPU: libvirt asks each guest's KVM for dozens of counters then, only to tell how many CPUs there are.
_GROUPS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
_FLAGS = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT


_VCPUS_HOLD = 60.0  # seconds: CPUs are plugged rarely


def _sample(domain: libvirt.virDomain, at: float, stats: dict[str, object], vcpus: dict[str, tuple[float, int]]) -> RawSample:
    uuid = domain.UUIDString()
    cpu_ns = _number(stats, "cpu.time")
    return RawSample(
        uuid=uuid,
        at=at,
        cpu_ns=cpu_ns,
        vcpus=None if cpu_ns is None else _vcpus(domain, uuid, at, vcpus),
        memory_used_bytes=_memory_used(stats),
        memory_bytes=_kib(stats, "balloon.current"),
        disk_read_bytes=_sum(stats, "block", "rd.bytes"),
        disk_write_bytes=_sum(stats, "block", "wr.bytes"),
        net_rx_bytes=_sum(stats, "net", "rx.bytes"),
        net_tx_bytes=_sum(stats, "net", "tx.bytes"),
    )


def _vcpus(domain: libvirt.virDomain, uuid: str, at: float, known: dict[str, tuple[float, int]]) -> int | None:
    """How many CPUs the machine has, asked once a minute by a call that does not reach the guest; None when it is gone."""
    asked_at, count = known.get(uuid, (-_VCPUS_HOLD, 0))
    if at - asked_at < _VCPUS_HOLD:
        return count
    try:
        count = domain.info()[3]
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise
    known[uuid] = (at, count)
    return count


def _forget_stopped(known: dict[str, tuple[float, int]], samples: list[RawSample]) -> None:
    running = {sample.uuid for sample in samples}
    for uuid in [uuid for uuid in list(known) if uuid not in running]:
        known.pop(uuid, None)


def _memory_used(stats: dict[str, object]) -> int | None:
    """available − usable, as the guest counts them ("usable" leaves out caches that it could give back)."""
    available, usable = _kib(stats, "balloon.available"), _kib(stats, "balloon.usable")
    if usable is None:
        usable = _kib(stats, "balloon.unused")
    if available is None or usable is None:
        return None
    return max(0, available - usable)


def _number(stats: dict[str, object], name: str) -> int | None:
    value = stats.get(name)
    return value if isinstance(value, int) else None


def _kib(stats: dict[str, object], name: str) -> int | None:
    value = _number(stats, name)
    return None if value is None else value * 1024


def _sum(stats: dict[str, object], group: str, name: str) -> int | None:
    """Over all devices of the group; None when libvirt counted no device at all."""
    count = _number(stats, f"{group}.count")
    if count is None:
        return None
    found = [_number(stats, f"{group}.{index}.{name}") for index in range(count)]
    return sum(value for value in found if value is not None)


def _rate(before: int | None, after: int | None, seconds: float) -> float | None:
    if before is None or after is None or seconds <= 0 or after < before:
        return None
    return (after - before) / seconds
