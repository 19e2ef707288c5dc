"""Taking a machine away with what belongs to it. A worker's. A disk goes only when the host itself says that nobody else uses it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from virt import lookups, usage
from virt import machine as virt_machine
from virt import volume as virt_volume
from virt.connection import Connection
from virt.errors import HostUnreachable, NotFound, VirtError
from virt.xml.read.sources import read_sources


@dataclass(frozen=True, slots=True)
class Plan:
    """What was confirmed: paths of disks to delete; whether it may be forced off."""

    disks: tuple[str, ...]
    force_off: bool

    @classmethod
    def of(cls, params: dict[str, Any]) -> Plan:
        return cls(tuple(params.get("disks", ())), bool(params.get("force_off")))


def remove_disks(connection: Connection, paths: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """After the machine is gone: deleted ones, and kept ones with why."""
    deleted: list[str] = []
    kept: dict[str, str] = {}
    for path in paths:
        try:
            place = lookups.volume_at(connection, path)
            if place is None:
                kept[path] = "It is in no pool that is on: delete it on the host."
                continue
            users = usage.users_of(connection, place.pool, place.name)
            if users:
                kept[path] = f"Used by {', '.join(map(str, users[:5]))}."
                continue
            with contextlib.suppress(NotFound):
                virt_volume.delete(connection, place.pool, place.name)
            deleted.append(path)
        except HostUnreachable:
            raise
        except VirtError as exc:
            kept[path] = str(exc)
    return deleted, kept


def own_paths(connection: Connection, uuid: str) -> frozenset[str]:
    """Every path that the machine's definitions name, volumes of pools resolved: nothing else may be deleted with it."""
    seen = virt_machine.read(connection, uuid)
    if seen is None:
        return frozenset()
    found: set[str] = set()
    for xml in filter(None, (seen.live_xml, seen.inactive_xml)):
        sources = read_sources(xml)
        found |= sources.paths
        for pool, name in sources.volumes:
            with contextlib.suppress(VirtError):
                found.add(virt_volume.read(connection, lookups.active_pool(connection, pool), name).path)
    return frozenset(found)
