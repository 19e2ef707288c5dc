"""<capabilities>: what a host and its hypervisor can do. https://libvirt.org/formatcaps.html"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.xml.parse import parse
from virt.xml.read.values import attribute, text, whole


@dataclass(frozen=True, slots=True)
class Board:
    """A machine type: "pc-q35-7.2", or an alias with what it stands for: "q35", "pc-q35-7.2"."""

    name: str
    canonical: str
    max_cpus: int


@dataclass(frozen=True, slots=True)
class Guests:
    """What can run of one architecture."""

    arch: str
    emulator: str
    virt_types: tuple[str, ...]
    boards: tuple[Board, ...]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`domain_types`: "kvm", "qemu" …, for the host's own architecture or any other; `host_uuid` may be "".

    iommu       libvirt sees one, None where it does not say
    page_sizes  of memory pages the host has, in bytes; the smallest is the ordinary one
    page_counts (size in bytes, how many were reserved) of the larger ones, over all NUMA nodes
    features    of the processor beyond its model's: "vmx", "svm" …
    confined_by "apparmor", "selinux": what keeps an emulator away from other machines' files
    """

    host_uuid: str
    arch: str
    cpu_model: str
    cpu_vendor: str
    domain_types: frozenset[str]
    iommu: bool | None = None
    page_sizes: tuple[int, ...] = ()
    guests: tuple[Guests, ...] = ()
    page_counts: tuple[tuple[int, int], ...] = ()
    features: frozenset[str] = frozenset()
    confined_by: tuple[str, ...] = ()

    @property
    def own_guests(self) -> Guests | None:
        """What can run of the host's own architecture."""
        return next((guests for guests in self.guests if guests.arch == self.arch), None)


def read_capabilities(xml: str) -> Capabilities:
    """The value of a host's capabilities XML. Raises Invalid when it can't be read."""
    root = parse(xml)
    return Capabilities(
        host_uuid=text(root, "host/uuid"),
        arch=text(root, "host/cpu/arch"),
        cpu_model=text(root, "host/cpu/model"),
        cpu_vendor=text(root, "host/cpu/vendor"),
        domain_types=frozenset(attribute(node, "type") for node in root.iterfind("guest/arch/domain")),
        iommu={"yes": True, "no": False}.get(attribute(root.find("host/iommu"), "support")),
        page_sizes=tuple(sorted(whole(attribute(node, "size")) * _UNITS.get(attribute(node, "unit"), 1024) for node in root.iterfind("host/cpu/pages"))),
        guests=tuple(_guests(node) for node in root.iterfind("guest/arch")),
        page_counts=_page_counts(root),
        features=frozenset(attribute(node, "name") for node in root.iterfind("host/cpu/feature")),
        confined_by=tuple(name for node in root.iterfind("host/secmodel") if (name := text(node, "model")) in ("apparmor", "selinux")),
    )


def _page_counts(root: etree._Element) -> tuple[tuple[int, int], ...]:
    counts: dict[int, int] = {}
    for node in root.iterfind("host/topology/cells/cell/pages"):
        size = whole(attribute(node, "size")) * _UNITS.get(attribute(node, "unit"), 1024)
        counts[size] = counts.get(size, 0) + whole(text(node))
    return tuple(sorted(counts.items())[1:])


def _guests(node: etree._Element) -> Guests:
    boards = tuple(Board(text(one), attribute(one, "canonical") or text(one), whole(attribute(one, "maxCpus"))) for one in node.iterfind("machine"))
    return Guests(attribute(node, "name"), text(node, "emulator"), tuple(attribute(one, "type") for one in node.iterfind("domain")), boards)


_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
