"""Whether two hosts see the same files: proved by a small file of ours that the one makes and the other sees, never guessed from paths."""

from __future__ import annotations

import libvirt

from virt.connection import Connection
from virt.errors import VirtError
from virt.folders import pool_at, volume_in
from virt.translation import translate
from virt.xml.build.volume import VolumeSpec, build_xml
from virt.xml.parse import parse
from virt.xml.read.values import attribute, text

_MARKER_BYTES = 512
_FOLDERS = ("dir", "fs", "netfs")


def place_of(source: Connection, target: Connection, folder: str, marker: str) -> str:
    """Where the target has a folder of the source: at the same path, or as one of its pools; "" when it does not have it.

    `marker`: the name of the file, the only one of its name.
    """
    try:
        with translate(), pool_at(source.raw, folder) as here:
            made = here.createXML(build_xml(VolumeSpec(marker, _MARKER_BYTES, "raw")), 0)
            try:
                return folder if _shows(target.raw, folder, marker) else _elsewhere(target.raw, folder, marker)
            finally:
                made.delete(0)
    except VirtError:
        return ""


def remove_marker(source: Connection, folder: str, marker: str) -> None:
    """What is left when somebody died in the middle of it."""
    with translate(), pool_at(source.raw, folder) as pool:
        found = volume_in(pool, marker)
        if found:
            found.delete(0)


def _shows(raw: libvirt.virConnect, folder: str, marker: str) -> bool:
    try:
        with pool_at(raw, folder) as pool:
            return volume_in(pool, marker) is not None
    except libvirt.libvirtError:
        return False  # it has no such folder


def _elsewhere(raw: libvirt.virConnect, folder: str, marker: str) -> str:
    """The same storage, mounted in another place."""
    for pool in raw.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        definition = parse(pool.XMLDesc(0))
        path = text(definition, "target/path")
        if attribute(definition, "type") not in _FOLDERS or path == folder:
            continue
        try:
            if volume_in(pool, marker):
                return path
        except libvirt.libvirtError:
            continue  # one pool that can't be read must not hide the others
    return ""
