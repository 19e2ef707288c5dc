"""A block device of the host with a file system, mounted: https://libvirt.org/storage.html#filesystem-pool"""

from __future__ import annotations

from virt.xml.devices.kind import Field
from virt.xml.pools.kind import PoolKind, device_field, path_field

_FORMATS = ("ext4", "xfs", "ext3", "ext2", "vfat", "ntfs", "iso9660", "udf", "gfs", "gfs2", "hfs+", "ocfs2", "vmfs")


KIND = PoolKind(
    name="fs",
    title="File system",
    text="On a device",
    icon="device-floppy",
    fields=(
        device_field(),
        Field(
            "format",
            "File system",
            "source/format/@type",
            "choice",
            (("auto", "Whatever is there"), *((each, each) for each in _FORMATS)),
            default="auto",
            required=True,
            free=True,
        ),
        path_field("Empty: /var/lib/libvirt/pools/ and the pool's name."),
    ),
    build="format",
    makes="a new file system on the device",
    overwrites=True,
    delete="The mount point, an empty directory; what is on the device stays",
    formats=("qcow2", "raw"),
)
