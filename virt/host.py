"""What a host is and how busy it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import libvirt

from virt.translation import answered
from virt.xml.read.capabilities import read_capabilities


@dataclass(frozen=True, slots=True)
class HostInfo:
    """A host's make-up. `host_uuid` is "" where the driver tells none (test driver); cores and threads are per unit."""

    host_uuid: str
    hostname: str
    libvirt_version: str
    hypervisor: str
    hypervisor_version: str
    arch: str
    cpu_model: str
    cpus: int
    sockets: int
    cores: int
    threads: int
    numa_nodes: int
    memory_bytes: int
    kvm: bool
    capabilities_xml: str


@dataclass(frozen=True, slots=True)
class HostLoad:
    """A reading. `at` is monotonic seconds; CPU counters are nanoseconds over all CPUs since boot; None: unknown."""

    at: float
    cpu_busy_ns: int | None
    cpu_total_ns: int | None
    memory_used_bytes: int | None
    memory_bytes: int | None


def info(raw: libvirt.virConnect) -> HostInfo:
    """Read everything that hardly ever changes. Raises libvirtError (the caller translates)."""
    text = raw.getCapabilities()
    capabilities = read_capabilities(text)
    arch, memory_mib, cpus, _mhz, nodes, sockets, cores, threads = raw.getInfo()
    return HostInfo(
        host_uuid=capabilities.host_uuid,
        hostname=raw.getHostname(),
        libvirt_version=version(raw.getLibVersion()),
        hypervisor=raw.getType(),
        hypervisor_version=hypervisor_version(raw),
        arch=capabilities.arch or arch,
        cpu_model=capabilities.cpu_model,
        cpus=cpus,
        # libvirt counts sockets per NUMA node
        sockets=sockets * max(1, nodes),
        cores=cores,
        threads=threads,
        numa_nodes=nodes,
        memory_bytes=load(raw).memory_bytes or memory_mib * 2**20,
        kvm="kvm" in capabilities.domain_types,
        capabilities_xml=text,
    )


def load(raw: libvirt.virConnect) -> HostLoad:
    """Read the host's counters. What a driver can't tell is None; other failures raise libvirtError."""
    cpu = _unless_unsupported(lambda: raw.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS))
    memory = _unless_unsupported(lambda: raw.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS))
    busy = total = used = size = None
    if cpu and "idle" in cpu:
        busy = cpu.get("kernel", 0) + cpu.get("user", 0) + cpu.get("intr", 0)
        total = busy + cpu["idle"] + cpu.get("iowait", 0)
    if memory and "total" in memory:
        size = memory["total"] * 1024
        free = memory.get("free", 0) + memory.get("buffers", 0) + memory.get("cached", 0)
        used = max(0, size - free * 1024)
    return HostLoad(time.monotonic(), busy, total, used, size)


def cpu_percent(before: HostLoad, after: HostLoad) -> float | None:
    """How busy all CPUs were between two readings, 0–100; None when unknown or the counters began anew."""
    if None in (before.cpu_busy_ns, after.cpu_busy_ns, before.cpu_total_ns, after.cpu_total_ns):
        return None
    total = (after.cpu_total_ns or 0) - (before.cpu_total_ns or 0)
    busy = (after.cpu_busy_ns or 0) - (before.cpu_busy_ns or 0)
    if total <= 0 or busy < 0:
        return None
    return min(100.0, 100.0 * busy / total)


def version(number: int) -> str:
    """libvirt's 1,000,000 × major + 1,000 × minor + release."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def hypervisor_version(raw: libvirt.virConnect) -> str:
    """ "" when no QEMU is installed on the host: libvirt runs, but can't tell a version."""
    try:
        return version(raw.getVersion())
    except libvirt.libvirtError as exc:
        if answered(exc, (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INTERNAL_ERROR)):
            return ""
        raise


def _unless_unsupported(ask: Callable[[], dict[str, int]]) -> dict[str, int] | None:
    try:
        return ask()
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in _NOT_TOLD:
            return None
        raise


_NOT_TOLD = (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_UNSUPPORTED)
