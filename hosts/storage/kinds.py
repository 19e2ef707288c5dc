"""What people call the kinds of pools."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

WORDS = {
    "dir": _("Directory"),
    "fs": _("File system"),
    "netfs": _("Network file system"),
    "logical": _("LVM"),
    "disk": _("Disk"),
    "iscsi": _("iSCSI"),
    "iscsi-direct": _("iSCSI, direct"),
    "rbd": _("Ceph RBD"),
    "zfs": _("ZFS"),
    "gluster": _("Gluster"),
    "scsi": _("SCSI"),
    "mpath": _("Multipath"),
}


def word(kind: str) -> str:
    return str(WORDS.get(kind, kind))
