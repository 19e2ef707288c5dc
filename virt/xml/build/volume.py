"""<volume> to create: the format is always said, never left to be guessed."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt import names
from virt.errors import Invalid

FORMATS = ("qcow2", "raw")
MOST_BYTES = 64 * 2**40


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A volume to be made.

    allocation_bytes  what is taken from the pool at once: 0 for a sparse one, the capacity for a full one
    backing_path      an existing volume's path that it holds the differences to, with that one's format
    """

    name: str
    capacity_bytes: int
    format: str = "qcow2"
    allocation_bytes: int = 0
    backing_path: str = ""
    backing_format: str = ""


def build_xml(spec: VolumeSpec, *, says_format: bool = True) -> str:
    """Raises Invalid for a name, size or format that won't do. `says_format`: as virt.xml.pools.PoolKind has it, for where all are raw."""
    if spec.format not in FORMATS:
        raise Invalid(f"A volume is made as {' or '.join(FORMATS)}.")
    if not says_format and (spec.format != "raw" or spec.backing_path):
        raise Invalid("Volumes of this pool are raw, each on its own.")
    if not 0 <= spec.capacity_bytes <= MOST_BYTES or not 0 <= spec.allocation_bytes <= MOST_BYTES:
        raise Invalid("A volume has at most 64 TiB.")
    if spec.backing_path and (spec.format != "qcow2" or spec.backing_format not in ("qcow2", "raw")):
        raise Invalid("Only a qcow2 volume can hold the differences to another one, whose format must be known: qcow2 or raw.")
    volume = etree.Element("volume")
    _child(volume, "name", names.volume_name(spec.name))
    _child(volume, "capacity", str(spec.capacity_bytes), unit="bytes")
    _child(volume, "allocation", str(min(spec.allocation_bytes, spec.capacity_bytes)), unit="bytes")
    target = _child(volume, "target")
    if says_format:
        _child(target, "format", type=spec.format)
    if spec.backing_path:
        backing = _child(volume, "backingStore")
        _child(backing, "path", names.absolute(spec.backing_path))
        _child(backing, "format", type=spec.backing_format)
    return etree.tostring(volume, encoding="unicode", pretty_print=True)


def _child(parent: etree._Element, tag: str, text: str = "", **attributes: str) -> etree._Element:
    child = etree.SubElement(parent, tag, attributes)
    if text:
        child.text = text
    return child
