"""Where a machine fits, and why: a pure function of what is known about the hosts. It explains every candidate, also those that won't do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter

from machines.creation.order import Order

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host. `allocated_bytes`: memory of its machines that run; `pools`: active ones with what is free; `networks`: active ones by name."""

    id: int
    name: str
    online: bool
    memory_bytes: int
    used_bytes: int
    allocated_bytes: int
    cpus: int
    vcpus: int
    kvm: bool | None
    pools: dict[str, int] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()
    bridges: frozenset[str] | None = None
    has_source: bool = True
    in_maintenance: bool = False
    real: bool = True
    """False for libvirt's test driver, which has no memory of its own to run out of."""

    @property
    def free_bytes(self) -> int:
        return self.memory_bytes - max(self.used_bytes, self.allocated_bytes)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`missing`: what is not there, so that it can't be made there at all; `short`: room that it lacks, which somebody may still choose.

    reasons, doubts   what speaks for it, and what one should know
    """

    candidate: Candidate
    missing: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def against(self) -> tuple[str, ...]:
        return (*self.missing, *self.short)

    @property
    def fits(self) -> bool:
        return not self.against


def judge(candidate: Candidate, order: Order) -> Verdict:
    """One host for one machine."""
    short = []
    if candidate.real and candidate.memory_bytes and candidate.free_bytes < order.memory_bytes:
        short.append(f"{_size(max(0, candidate.free_bytes))} of memory free, {_size(order.memory_bytes)} needed")
    for pool, need in _needs(order).items():
        free = candidate.pools.get(pool)
        if free is not None and candidate.real and free < need:
            short.append(f"pool {pool} has {_size(free)} free, {_size(need)} needed")
    return Verdict(candidate, tuple(_missing(candidate, order)), tuple(short), tuple(_reasons(candidate, order)), tuple(_doubts(candidate, order)))


def rank(candidates: Sequence[Candidate], order: Order) -> list[Verdict]:
    """All of them, the best first: that which fits and has the largest share of its memory free."""
    return sorted((judge(candidate, order) for candidate in candidates), key=_place_of)


def _place_of(verdict: Verdict) -> tuple[bool, int, float, str]:
    return not verdict.fits, len(verdict.against), -_share_free(verdict.candidate), verdict.candidate.name


class Field:
    """Hosts for many machines in a row: each that is placed counts when the next one is. Only the host that got it is judged again."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._candidates = {each.id: each for each in candidates}
        self._judged: dict[tuple[object, ...], dict[int, tuple[tuple[bool, int, float, str], Verdict]]] = {}

    def __len__(self) -> int:
        return len(self._candidates)

    def verdict(self, host_id: int, order: Order) -> Verdict | None:
        """None for a host that is no candidate."""
        found = self._of(order).get(host_id)
        return found[1] if found else None

    def best(self, order: Order, *, without: Collection[int]) -> Verdict | None:
        """None when there is no other host."""
        fitting = [found for host_id, found in self._of(order).items() if host_id not in without]
        return min(fitting, key=itemgetter(0))[1] if fitting else None

    def place(self, host_id: int, order: Order) -> None:
        self._candidates[host_id] = after(self._candidates[host_id], order)
        for judged in self._judged.values():
            judged.pop(host_id, None)

    def _of(self, order: Order) -> dict[int, tuple[tuple[bool, int, float, str], Verdict]]:
        judged = self._judged.setdefault(_judged_by(order), {})
        for host_id in self._candidates.keys() - judged.keys():
            verdict = judge(self._candidates[host_id], order)
            judged[host_id] = _place_of(verdict), verdict
        return judged


def after(candidate: Candidate, order: Order, count: int = 1) -> Candidate:
    """The host with `count` such machines more: for the next one's placement, and for the picture of what it costs."""
    needs = _needs(order)
    pools = {name: free - needs.get(name, 0) * count for name, free in candidate.pools.items()}
    memory = order.memory_bytes * count
    return replace(
        candidate,
        used_bytes=candidate.used_bytes + memory,
        allocated_bytes=candidate.allocated_bytes + memory,
        vcpus=candidate.vcpus + order.vcpus * count,
        pools=pools,
    )


def _missing(candidate: Candidate, order: Order) -> list[str]:
    found = []
    if not candidate.online:
        found.append("does not answer")
    if candidate.in_maintenance:
        found.append("is in maintenance")
    if not candidate.has_source:
        found.append(f"{order.volume} is not in a pool {order.pool} there")
    found += [f"has no pool {name} that is on" for name in _needs(order) if name not in candidate.pools]
    wanted = {nic.source for nic in order.nics if nic.kind == "network"}
    found += [f"has no network {name} that is on" for name in sorted(wanted - candidate.networks)]
    if order.virt_type == "kvm" and candidate.kvm is False:
        found.append("has no KVM")
    return found


def _reasons(candidate: Candidate, order: Order) -> list[str]:
    found = []
    if candidate.real and candidate.memory_bytes:
        found.append(f"{_size(max(0, candidate.free_bytes))} of {_size(candidate.memory_bytes)} memory free")
    if order.volume and candidate.has_source:
        found.append(f"{order.volume} is there already")
    return found


def _doubts(candidate: Candidate, order: Order) -> list[str]:
    found = []
    if candidate.real and candidate.kvm is False:
        found.append("no KVM: it is emulated, which is slow")
    if candidate.cpus and candidate.vcpus + order.vcpus > 4 * candidate.cpus:
        found.append("more than four virtual CPUs for each real one")
    return found


def _judged_by(order: Order) -> tuple[object, ...]:
    """All of an order that a verdict depends on."""
    return order.source, order.pool, order.volume, order.vcpus, order.memory_bytes, order.virt_type, order.disks, order.nics


def _needs(order: Order) -> dict[str, int]:
    """Pool → bytes that its disks may grow to."""
    found: dict[str, int] = {}
    for disk in order.disks:
        found[disk.pool] = found.get(disk.pool, 0) + disk.size_bytes
    return found


def _share_free(candidate: Candidate) -> float:
    if candidate.memory_bytes and candidate.real:
        return candidate.free_bytes / candidate.memory_bytes
    return 1 / (1 + candidate.vcpus)


def _size(value: int) -> str:
    return f"{value / GIB:.1f} GiB".replace(".0 ", " ")
