"""Whether two hosts see the same files: proved by a small file of ours that the one makes and the other sees, never guessed from paths."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import libvirt
from lxml import etree

from virt.connection import Connection
from virt.errors import VirtError
from virt.translation import translate
from virt.xml.build.volume import VolumeSpec, build_xml

_MISSING = (libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_STORAGE_POOL)
_MARKER_BYTES = 512


def shows_the_same(source: Connection, target: Connection, folder: str, marker: str) -> bool:
    """Whether a folder of the source is the one of the same path on the target. `marker`: the name of the file, the only one of its name."""
    try:
        with translate(), _pool(source.raw, folder) as here, _pool(target.raw, folder) as there:
            if _volume(there, marker):  # somebody's, or of an earlier look: it proves nothing
                return False
            made = here.createXML(build_xml(VolumeSpec(marker, _MARKER_BYTES, "raw")), 0)
            try:
                return _volume(there, marker) is not None
            finally:
                made.delete(0)
    except VirtError:
        return False


def remove_marker(source: Connection, folder: str, marker: str) -> None:
    """What is left when somebody died in the middle of it."""
    with translate(), _pool(source.raw, folder) as pool:
        found = _volume(pool, marker)
        if found:
            found.delete(0)


@contextlib.contextmanager
def _pool(raw: libvirt.virConnect, folder: str) -> Iterator[libvirt.virStoragePool]:
    """The active pool of a folder; where there is none, one that lives as long as this is used. It must exist."""
    try:
        yield raw.storagePoolLookupByTargetPath(folder)
        return
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in _MISSING:
            raise
    made = raw.storagePoolCreateXML(_pool_xml(folder), 0)
    try:
        yield made
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            made.destroy()


def _volume(pool: libvirt.virStoragePool, name: str) -> libvirt.virStorageVol | None:
    pool.refresh(0)
    try:
        return pool.storageVolLookupByName(name)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in _MISSING:
            return None
        raise


def _pool_xml(folder: str) -> str:
    pool = etree.Element("pool", type="dir")
    etree.SubElement(pool, "name").text = "webvirt-look-" + folder.strip("/").replace("/", "-")[-60:]
    etree.SubElement(etree.SubElement(pool, "target"), "path").text = folder
    return etree.tostring(pool, encoding="unicode")
