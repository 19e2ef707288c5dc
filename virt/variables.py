"""UEFI variables: the file in which a machine's firmware keeps boot entries and keys. Finding, copying and removing it; all by libvirt, on its host.

Where a definition names none, libvirt makes one up from the machine's name at each start, so that a machine of another name has fresh
variables, and a new machine those that an earlier one of its name left. What it would make up is asked of it.
https://libvirt.org/formatdomain.html#bios-bootloader
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import libvirt
from lxml import etree

from virt.connection import Connection
from virt.errors import Conflict, NotFound, OperationFailed
from virt.translation import answered, translate
from virt.xml import tree
from virt.xml.build.own import with_identity
from virt.xml.parse import parse
from virt.xml.read.values import attribute, text

T = TypeVar("T")

_NODE = "libvirt-pflash1-storage"  # what libvirt calls the second flash memory of a machine
_POOLS = "webvirt-variables-"
_TRIES = 10
# Another worker puts the folder's pool away, or makes it, at the same moment.
_AGAIN = (libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_INTERNAL_ERROR)


def named(xml: str) -> str:
    """The file that the definition itself names, "" for none."""
    nvram = tree.parse(xml).find("os/nvram")
    return attribute(nvram.find("source"), "file") or text(nvram) if nvram is not None else ""


def place(connection: Connection, xml: str) -> str:
    """The file that a machine of this definition keeps its variables in, whether it is there or not; "" for one without UEFI."""
    if not _has_uefi(xml):
        return ""
    if found := named(xml):
        return found
    with translate():
        try:
            command = connection.raw.domainXMLToNative("qemu-argv", _bare(xml), 0)
        except libvirt.libvirtError as exc:
            if exc.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
                return ""
            raise
    return _of_command(command)


def place_when_called(connection: Connection, xml: str, name: str) -> str:
    """The same once the machine has another name."""
    return place(connection, with_identity(xml, name, text(parse(xml), "uuid")))


def is_there(connection: Connection, path: str) -> bool:
    """Whether the machine was ever started: libvirt makes the file then."""
    return _in_folder(connection, path, lambda pool: _volume(pool, path) is not None, missing=False)


def owners(connection: Connection, path: str, *, but: str) -> list[str]:
    """Names of machines, apart from the one with that uuid, whose definitions name the file."""
    found = []
    with translate():
        for domain in connection.raw.listAllDomains(0):
            try:
                if domain.UUIDString() != but and path in {named(domain.XMLDesc(0)), named(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))}:
                    found.append(domain.name())
            except libvirt.libvirtError as exc:
                if exc.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
    return found


def refuse_if_owned(connection: Connection, path: str, *, but: str) -> None:
    """Raises Conflict: two machines with one such file would spoil each other's."""
    if found := owners(connection, path, but=but):
        raise Conflict(f"UEFI variables of {', '.join(found[:5])} lie where this machine's would: {path}. Choose another name.")


def copy(connection: Connection, source: str, target: str) -> None:
    """`target` holds what `source` holds. Raises NotFound without a source, Conflict when there is something already."""

    def make(pool: libvirt.virStoragePool) -> None:
        original = _volume(pool, source)
        if original is None:
            raise NotFound(f"{source} is not there.")
        if _volume(pool, target) is not None:
            raise Conflict(f"{target} is there already.")
        pool.createXMLFrom(_copy_xml(original, posixpath.basename(target)), original, 0)

    if posixpath.dirname(source) != posixpath.dirname(target):
        raise OperationFailed(f"The host keeps UEFI variables in several folders: {source}, {target}.")
    _in_folder(connection, source, make, missing=None)


def remove(connection: Connection, path: str) -> bool:
    """Whether it was there. The caller knows that no machine needs it."""

    def delete(pool: libvirt.virStoragePool) -> bool:
        volume = _volume(pool, path)
        if volume is None:
            return False
        volume.delete(0)
        return True

    return _in_folder(connection, path, delete, missing=False)


def _has_uefi(xml: str) -> bool:
    os = parse(xml).find("os")
    loader = os.find("loader") if os is not None else None
    return attribute(os, "firmware") == "efi" or attribute(loader, "type") == "pflash"


def _bare(xml: str) -> str:
    """Without devices, which may need what is not there at the moment: files, networks, a TPM."""
    root = tree.parse(xml)
    for devices in root.findall("devices"):
        for device in list(devices):
            if device.tag != "emulator":
                devices.remove(device)
    return tree.text_of(root)


def _of_command(command: str) -> str:
    for word in shlex.split(command):
        if _NODE in word and word.startswith("{"):
            node = json.loads(word)
            if node.get("node-name") == _NODE:
                return str(node.get("filename", ""))
        elif found := re.fullmatch(r"file=(.+),if=pflash,format=\w+,unit=1", word):  # older than 6.0
            return found[1].replace(",,", ",")
    return ""


def _in_folder(connection: Connection, path: str, do: Callable[[libvirt.virStoragePool], T], *, missing: T) -> T:
    """Do something in the folder of the file, which is a pool meanwhile; `missing` where there is no such folder."""
    folder = posixpath.dirname(path)
    for left in reversed(range(_TRIES)):
        with translate():
            try:
                pool = _pool(connection.raw, folder)
                if pool is None:
                    return missing
                try:
                    pool.refresh(0)
                    return do(pool)
                finally:
                    if pool.name().startswith(_POOLS):  # people have no business in there
                        with suppress(libvirt.libvirtError):
                            pool.destroy()
            except libvirt.libvirtError as exc:
                if not left or not answered(exc, _AGAIN):
                    raise
        time.sleep(0.1)
    raise AssertionError


def _pool(raw: libvirt.virConnect, folder: str) -> libvirt.virStoragePool | None:
    try:
        return raw.storagePoolLookupByTargetPath(folder)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
            raise
    pool = etree.Element("pool", type="dir")
    etree.SubElement(pool, "name").text = _POOLS + hashlib.sha256(folder.encode()).hexdigest()[:10]
    etree.SubElement(etree.SubElement(pool, "target"), "path").text = folder
    try:
        return raw.storagePoolCreateXML(etree.tostring(pool, encoding="unicode"), 0)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR:
            return None
        raise


def _volume(pool: libvirt.virStoragePool, path: str) -> libvirt.virStorageVol | None:
    try:
        return pool.storageVolLookupByName(posixpath.basename(path))
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
            return None
        raise


def _copy_xml(original: libvirt.virStorageVol, name: str) -> str:
    seen = parse(original.XMLDesc(0))
    volume = etree.Element("volume")
    etree.SubElement(volume, "name").text = name
    etree.SubElement(volume, "capacity", unit="bytes").text = text(seen, "capacity")
    target = etree.SubElement(volume, "target")
    etree.SubElement(target, "format", type=attribute(seen.find("target/format"), "type") or "raw")
    etree.SubElement(etree.SubElement(target, "permissions"), "mode").text = "0600"
    return etree.tostring(volume, encoding="unicode")
