"""The pool of a folder on a host; where there is none, one that lives only as long as it is used."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import libvirt
from lxml import etree

MISSING = (libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_STORAGE_POOL)


@contextlib.contextmanager
def pool_at(raw: libvirt.virConnect, folder: str, *, make: bool = False) -> Iterator[libvirt.virStoragePool]:
    """Active. The folder must exist, or is made with `make`. Inside `translate()`."""
    try:
        found = raw.storagePoolLookupByTargetPath(folder)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in MISSING:
            raise
    else:
        yield found
        return
    made = raw.storagePoolCreateXML(_pool_xml(folder), libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD if make else 0)
    try:
        yield made
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            made.destroy()


def volume_in(pool: libvirt.virStoragePool, name: str) -> libvirt.virStorageVol | None:
    """As the folder is now, not as the pool remembers it."""
    pool.refresh(0)
    try:
        return pool.storageVolLookupByName(name)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in MISSING:
            return None
        raise


def _pool_xml(folder: str) -> str:
    pool = etree.Element("pool", type="dir")
    etree.SubElement(pool, "name").text = f"webvirt-look-{hashlib.sha256(folder.encode()).hexdigest()[:10]}"
    etree.SubElement(etree.SubElement(pool, "target"), "path").text = folder
    return etree.tostring(pool, encoding="unicode")
