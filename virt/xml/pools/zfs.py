"""A pool of ZFS, whose block volumes are the volumes: https://libvirt.org/storage.html#zfs-pool"""

from __future__ import annotations

from virt.xml.devices.kind import Field
from virt.xml.pools.kind import PoolKind, device_problem, each_line, word_problem
from virt.xml.pools.slots import Each

KIND = PoolKind(
    name="zfs",
    title="ZFS",
    text="Its volumes",
    icon="columns",
    fields=(
        Field("source", "ZFS pool", "source/name", required=True, check=word_problem("A ZFS pool's name"), hint="A pool, or a dataset in it: tank or tank/vm."),
        Field(
            "devices",
            "Devices of a new pool",
            Each("source/device", "path"),
            "lines",
            hint="One a line. Only for a pool that is to be made.",
            check=each_line(device_problem),
        ),
    ),
    target="/dev/zvol/{source}",
    build="format",
    makes="a new ZFS pool of the devices",
    delete="The ZFS pool with everything in it",
    destroys=True,
    says_format=False,
)
