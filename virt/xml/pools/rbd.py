"""A pool of Ceph, whose images are the volumes: https://libvirt.org/storage.html#rados-block-device-pool"""

from __future__ import annotations

import base64
import binascii

from virt.xml.devices.kind import Field
from virt.xml.pools.kind import Login, PoolKind, each_line, host_problem, login_fields, word_problem
from virt.xml.pools.slots import Hosts


def _key_problem(value: str) -> str:
    try:
        return "" if len(base64.b64decode(value, validate=True)) >= 8 else "This is too short for a key."
    except (binascii.Error, ValueError):
        return "A key as Ceph writes it, in base64: the text behind “key =”."


KIND = PoolKind(
    name="rbd",
    title="Ceph RBD",
    text="Its images",
    icon="database",
    fields=(
        Field("host", "Monitors", Hosts(), "lines", required=True, check=each_line(host_problem), hint="One a line, with “:port” where needed."),
        Field("source", "Ceph pool", "source/name", required=True, check=word_problem("A Ceph pool's name")),
        *login_fields("Cephx user", "Cephx key", hint="As “ceph auth get-key” prints it.", check=_key_problem),
    ),
    login=Login("ceph", "ceph", encoded=True),
    shared=True,
    takes_files=False,
    cuts=False,
)
