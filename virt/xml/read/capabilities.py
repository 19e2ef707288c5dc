"""<capabilities>: what a host and its hypervisor can do. https://libvirt.org/formatcaps.html"""

from __future__ import annotations

from dataclasses import dataclass

from virt.xml.parse import parse
from virt.xml.read.values import attribute, text


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`domain_types`: "kvm", "qemu" …, for the host's own architecture or any other; `host_uuid` may be ""."""

    host_uuid: str
    arch: str
    cpu_model: str
    cpu_vendor: str
    domain_types: frozenset[str]


def read_capabilities(xml: str) -> Capabilities:
    """The value of a host's capabilities XML. Raises Invalid when it can't be read."""
    root = parse(xml)
    return Capabilities(
        host_uuid=text(root, "host/uuid"),
        arch=text(root, "host/cpu/arch"),
        cpu_model=text(root, "host/cpu/model"),
        cpu_vendor=text(root, "host/cpu/vendor"),
        domain_types=frozenset(attribute(node, "type") for node in root.iterfind("guest/arch/domain")),
    )
