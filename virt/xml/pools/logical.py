"""A volume group of LVM: https://libvirt.org/storage.html#logical-volume-pool"""

from __future__ import annotations

from virt.xml.devices.kind import Field
from virt.xml.pools.kind import PoolKind, device_problem, each_line, word_problem
from virt.xml.pools.slots import Each

KIND = PoolKind(
    name="logical",
    title="LVM",
    text="A volume group",
    icon="stack-2",
    fields=(
        Field("source", "Volume group", "source/name", required=True, check=word_problem("A volume group's name")),
        Field(
            "devices",
            "Devices of a new group",
            Each("source/device", "path"),
            "lines",
            hint="One a line. Only for a group that is to be made; one that is there knows its own.",
            check=each_line(device_problem),
        ),
    ),
    target="/dev/{source}",
    build="format",
    makes="a new volume group of the devices",
    overwrites=True,
    delete="The volume group with every volume in it",
    destroys=True,
    says_format=False,
    search=(),
)
