"""Every place of the host's storage that a definition names: of a machine, of a snapshot, with all layers below its disks."""

from __future__ import annotations

from dataclasses import dataclass

from virt.xml.parse import parse
from virt.xml.read.values import attribute

_PLACES = ("file", "dev", "dir", "path")


@dataclass(frozen=True, slots=True)
class Sources:
    """Paths, and (pool, volume) pairs by name."""

    paths: frozenset[str]
    volumes: frozenset[tuple[str, str]]


def read_sources(xml: str) -> Sources:
    """Raises Invalid when the XML can't be read."""
    paths, volumes = set(), set()
    root = parse(xml)
    for source in root.iter("source", "loader", "nvram", "kernel", "initrd", "memory"):
        for name in _PLACES:
            if place := attribute(source, name):
                paths.add(place)
        if source.tag in ("loader", "nvram", "kernel", "initrd") and source.text:
            paths.add(source.text.strip())
        if pool := attribute(source, "pool"):
            volumes.add((pool, attribute(source, "volume")))
        if protocol := attribute(source, "protocol"):
            paths.add(f"{protocol}:{attribute(source, 'name')}")
            paths.add(attribute(source, "name"))
    return Sources(frozenset(paths), frozenset(volumes))
