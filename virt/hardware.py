"""Changing a machine's hardware on its host: the stored definition, and the running machine where libvirt can.

Every function raises the exceptions of `virt.errors`. Machines are named by uuid.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import libvirt

from virt.connection import Connection
from virt.errors import GuestSilent, Invalid, OperationFailed, WrongState
from virt.translation import translate
from virt.xml import tree
from virt.xml.edit.plan import Step
from virt.xml.read.values import attribute

Seconds = float

_UNPLUG_PATIENCE: Seconds = 25.0
_LOOK_EVERY: Seconds = 0.3


@dataclass(frozen=True)
class Definitions:
    """A machine's XML with all that libvirt shows only to who may write: passwords of displays. Never logged, never stored.

    live      of the running machine, "" while it is off
    stored    that it starts with next, "" of a transient one
    plain     the stored one (or the only one) as everybody sees it: its digest is that of machines.models.Definition
    """

    name: str
    active: bool
    persistent: bool
    plain: str
    live: str = field(repr=False)
    stored: str = field(repr=False)

    @property
    def digest(self) -> str:
        return tree.digest(self.plain)


def read(connection: Connection, uuid: str) -> Definitions:
    """Raises NotFound."""
    secure = libvirt.VIR_DOMAIN_XML_SECURE
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        active, persistent = bool(domain.isActive()), bool(domain.isPersistent())
        inactive = libvirt.VIR_DOMAIN_XML_INACTIVE if active and persistent else 0
        return Definitions(
            name=domain.name(),
            active=active,
            persistent=persistent,
            plain=domain.XMLDesc(inactive),
            live=_secure(domain, secure) if active else "",
            stored=_secure(domain, secure | inactive) if persistent else "",
        )


def define(connection: Connection, xml: str) -> None:
    """Store a definition, once libvirt has held it against its schema. Raises Invalid with libvirt's words."""
    with translate():
        try:
            connection.raw.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        except libvirt.libvirtError as exc:
            if exc.get_error_code() in (libvirt.VIR_ERR_XML_INVALID_SCHEMA, libvirt.VIR_ERR_XML_DETAIL, libvirt.VIR_ERR_XML_ERROR):
                raise Invalid("libvirt does not accept the definition.", str(exc.get_error_message() or ""), exc.get_error_code()) from exc
            if exc.get_error_code() not in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_SUPPORT):
                raise
            connection.raw.defineXMLFlags(xml, 0)  # the test driver of old knows no validation


def carry_out(connection: Connection, uuid: str, step: Step) -> None:
    """One step of a plan, on the running machine alone. What can be seen of it afterwards is for the caller to look at."""
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        if step.way == "attach":
            domain.attachDeviceFlags(step.xml, live)
        elif step.way == "detach":
            domain.detachDeviceFlags(step.xml, live)
        elif step.way == "update":
            _update(domain, step.xml)
        elif step.way == "throttle":
            domain.setBlockIoTune(step.target, dict(step.numbers), live)
        elif step.way == "vcpus":
            domain.setVcpusFlags(step.number, live)
        elif step.way == "balloon":
            domain.setMemoryFlags(step.number // 1024, live)
        else:
            kind = libvirt.VIR_DOMAIN_METADATA_TITLE if step.way == "title" else libvirt.VIR_DOMAIN_METADATA_DESCRIPTION
            domain.setMetadata(kind, step.text or None, None, None, live)
    if step.way == "detach":
        _wait_until_gone(connection, uuid, step)


def resize_disk(connection: Connection, uuid: str, target: str, size_bytes: int) -> int:
    """Make a disk larger; its size before. A running machine sees it at once; of one that is off the volume is resized.

    Raises Invalid where it would become smaller: what stands at its end would be lost.
    """
    with translate():
        domain = connection.raw.lookupByUUIDString(uuid)
        before = _capacity(connection, domain, target)
        if size_bytes < before:
            raise Invalid(f"{target} has {before / 2**30:.4g} GiB. A disk can only grow.")
        if domain.isActive():
            domain.blockResize(target, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        else:
            _volume(connection, domain, target).resize(size_bytes, 0)
        return before


def disk_bytes(connection: Connection, uuid: str, target: str) -> int:
    """The size of a disk as the guest sees it."""
    with translate():
        return _capacity(connection, connection.raw.lookupByUUIDString(uuid), target)


def set_user_password(connection: Connection, uuid: str, user: str, password: str) -> None:
    """By the guest's agent. Raises GuestSilent."""
    with translate():
        connection.aside.lookupByUUIDString(uuid).setUserPassword(user, password, 0)


def add_ssh_keys(connection: Connection, uuid: str, user: str, keys: list[str]) -> None:
    """Append public keys to those that may sign in as the user, by the guest's agent."""
    with translate():
        connection.aside.lookupByUUIDString(uuid).authorizedSSHKeysSet(user, keys, libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND)


def ssh_keys(connection: Connection, uuid: str, user: str) -> list[str]:
    with translate():
        return list(connection.aside.lookupByUUIDString(uuid).authorizedSSHKeysGet(user, 0))


def _secure(domain: libvirt.virDomain, flags: int) -> str:
    """A read-only connection shows no secrets: then there are none to keep."""
    try:
        return domain.XMLDesc(flags)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() not in (libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_ERR_INVALID_ARG):
            raise
        return domain.XMLDesc(flags & ~libvirt.VIR_DOMAIN_XML_SECURE)


def _update(domain: libvirt.virDomain, xml: str) -> None:
    """A guest that has locked its CD drive is asked first; then the medium goes all the same, as a person at the drive would have it."""
    try:
        domain.updateDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as exc:
        if "tray" not in str(exc).lower():
            raise
        domain.updateDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE)


def _wait_until_gone(connection: Connection, uuid: str, step: Step) -> None:
    """The guest has to let go of a device; until then it is there."""
    alias = tree.fragment(step.xml).find("alias")
    name = alias.get("name") if alias is not None else None
    end = time.monotonic() + _UNPLUG_PATIENCE
    while name and time.monotonic() < end:
        with translate():
            domain = connection.raw.lookupByUUIDString(uuid)
            if not domain.isActive():
                raise WrongState("The machine stopped meanwhile.")
            if f"<alias name='{name}'/>" not in domain.XMLDesc(0):
                return
        time.sleep(_LOOK_EVERY)
    if name:
        raise GuestSilent("The guest did not let go of the device. It may still do so; at next boot it is gone.")


def _capacity(connection: Connection, domain: libvirt.virDomain, target: str) -> int:
    if domain.isActive():
        return int(domain.blockInfo(target)[0])
    return int(_volume(connection, domain, target).info()[1])


def _volume(connection: Connection, domain: libvirt.virDomain, target: str) -> libvirt.virStorageVol:
    """The volume of a disk, known by its path or by pool and name."""
    disks = tree.parse(domain.XMLDesc(0)).iterfind("devices/disk")
    node = next((each for each in disks if attribute(each.find("target"), "dev") == target), None)
    source = node.find("source") if node is not None else None
    if source is None:
        raise Invalid(f"{target} has no volume that could grow.")
    if source.get("pool"):
        return connection.raw.storagePoolLookupByName(str(source.get("pool"))).storageVolLookupByName(str(source.get("volume")))
    path = source.get("file") or source.get("dev") or ""
    try:
        return connection.raw.storageVolLookupByPath(path)
    except libvirt.libvirtError as exc:
        raise OperationFailed(f"{path} is in no pool of the host: it can only grow while the machine runs.", str(exc)) from exc
