"""A directory of a file server, mounted: https://libvirt.org/storage.html#network-filesystem-pool"""

from __future__ import annotations

from virt import names
from virt.errors import Invalid
from virt.xml.devices.kind import Field, Values
from virt.xml.pools.kind import PoolKind, path_field, told


def _check(values: Values) -> dict[str, str]:
    """An export is a path; a share of Windows is a word, or several with “/” between them."""
    directory, cifs = values.get("directory", ""), values.get("format") == "cifs"
    try:
        if cifs:
            names.word(directory.lstrip("/"), "A share's name")
        else:
            names.absolute(directory)
    except Invalid as exc:
        return {"directory": str(exc)}
    return {}


KIND = PoolKind(
    name="netfs",
    title="Network file system",
    text="NFS, CIFS",
    icon="network",
    fields=(
        Field(
            "format",
            "Protocol",
            "source/format/@type",
            "choice",
            (("nfs", "NFS"), ("cifs", "CIFS (Windows, Samba)"), ("glusterfs", "GlusterFS"), ("auto", "Whatever mount finds")),
            default="nfs",
            required=True,
            free=True,
            hint="A CIFS share is mounted as guest: libvirt knows no password for it.",
        ),
        Field("host", "Server", "source/host/@name", required=True, check=told(names.host_name), hint="Its name or address."),
        Field("directory", "Exported directory or share", "source/dir/@path", required=True, hint="Such as /export/vm; of CIFS the share's name."),
        Field(
            "version",
            "NFS version",
            "source/protocol/@ver",
            "choice",
            (("", "As the server offers"), ("4.2", "4.2"), ("4.1", "4.1"), ("4", "4"), ("3", "3")),
            free=True,
            rare=True,
            when=("format", ("nfs",)),
        ),
        path_field("Empty: /var/lib/libvirt/pools/ and the pool's name."),
    ),
    build="folder",
    makes="the directory to mount it at",
    delete="The mount point, an empty directory; what is on the server stays",
    formats=("qcow2", "raw"),
    search=("host",),
    shared=True,
    check=_check,
)
