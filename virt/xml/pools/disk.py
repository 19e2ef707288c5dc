"""A disk of the host, whose partitions are the volumes: https://libvirt.org/storage.html#disk-pool"""

from __future__ import annotations

from virt.xml.devices.kind import Field
from virt.xml.pools.kind import PoolKind, device_field

KIND = PoolKind(
    name="disk",
    title="Disk",
    text="Its partitions",
    icon="device-sd-card",
    fields=(
        device_field("Disk"),
        Field(
            "format",
            "Partition table",
            "source/format/@type",
            "choice",
            (("gpt", "GPT"), ("dos", "MBR (DOS)"), ("mac", "Apple"), ("bsd", "BSD"), ("sun", "Sun"), ("dvh", "SGI"), ("pc98", "PC-98"), ("lvm2", "LVM2")),
            default="gpt",
            required=True,
            free=True,
        ),
    ),
    target="/dev",
    build="format",
    makes="a new partition table on the disk",
    overwrites=True,
    delete="The disk's partition table, and with it every partition",
    destroys=True,
    says_format=False,
    takes_files=False,
)
