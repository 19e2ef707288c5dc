"""A target of iSCSI, to which the host signs in; its units are the volumes: https://libvirt.org/storage.html#iscsi-pool"""

from __future__ import annotations

from virt.xml.devices.kind import Field
from virt.xml.pools.kind import Login, PoolKind, host_problem, login_fields, word_problem
from virt.xml.pools.slots import Hosts

KIND = PoolKind(
    name="iscsi",
    title="iSCSI",
    text="A target's units",
    icon="server",
    fields=(
        Field("host", "Portal", Hosts(), required=True, check=host_problem, hint="Name or address, with “:port” where it is not 3260."),
        Field("device", "Target", "source/device/@path", required=True, check=word_problem("A target's name"), hint="Its IQN: iqn.2016-04.example:store."),
        Field("initiator", "Initiator", "source/initiator/iqn/@name", check=word_problem("An initiator's name"), rare=True, hint="Empty: the host's own IQN."),
        *login_fields("CHAP user", "CHAP password", hint="12 to 16 characters is what most stores take."),
    ),
    target="/dev/disk/by-path",
    formats=(),
    takes_files=False,
    search=("host",),
    login=Login("chap", "iscsi"),
    shared=True,
)
