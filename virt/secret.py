"""Passwords that libvirt keeps on a host for its storage: written by us, read by libvirt alone (`private`)."""

from __future__ import annotations

import libvirt
from lxml import etree

from virt.connection import Connection
from virt.translation import translate

_OURS = "webvirt "


def put(connection: Connection, uuid: str, usage: str, pool_uuid: str, value: bytes) -> None:
    """Keep a secret of a pool, or give it another value. `usage`: "iscsi" or "ceph"."""
    root = etree.Element("secret", ephemeral="no", private="yes")
    etree.SubElement(root, "uuid").text = uuid
    etree.SubElement(root, "description").text = f"Of the storage pool {pool_uuid}"
    used = etree.SubElement(root, "usage", type=usage)
    etree.SubElement(used, "target" if usage == "iscsi" else "name").text = _OURS + pool_uuid
    with translate():
        connection.raw.secretDefineXML(etree.tostring(root, encoding="unicode"), 0).setValue(value, 0)


def set_value(connection: Connection, uuid: str, value: bytes) -> None:
    """Another value for one that is there. Raises NotFound."""
    with translate():
        connection.raw.secretLookupByUUIDString(uuid).setValue(value, 0)


def remove_ours(connection: Connection, uuid: str, pool_uuid: str) -> bool:
    """Forget the secret if it was made for this pool and no machine names it; whether it was."""
    with translate():
        try:
            secret = connection.raw.secretLookupByUUIDString(uuid)
        except libvirt.libvirtError as exc:
            if exc.get_error_code() in (libvirt.VIR_ERR_NO_SECRET, libvirt.VIR_ERR_NO_SUPPORT):
                return False
            raise
        if secret.usageID() != _OURS + pool_uuid or any(uuid in domain.XMLDesc(0) for domain in connection.raw.listAllDomains(0)):
            return False
        secret.undefine()
        return True
