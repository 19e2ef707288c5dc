"""A pool of each kind, as a person would give it: for goldens, for forms, for a real libvirtd."""

from __future__ import annotations

UUID = "0f2a0000-0000-4000-8000-000000000001"
SECRET = "0f2a0000-0000-4000-8000-000000000002"

VALUES: dict[str, dict[str, str]] = {
    "dir": {"path": "/srv/pool"},
    "fs": {"device": "/dev/sdb1", "format": "xfs"},
    "netfs": {"format": "nfs", "host": "nas.example", "directory": "/export", "version": "4.2"},
    "logical": {"source": "vg0", "devices": "/dev/sdb\n/dev/sdc"},
    "disk": {"device": "/dev/sdb", "format": "gpt"},
    "iscsi": {"host": "store:3261", "device": "iqn.2016-04.example:a", "user": "me", "initiator": "iqn.x:y"},
    "rbd": {"host": "mon1\n[fd00::1]:6789", "source": "vm", "user": "admin"},
    "zfs": {"source": "tank", "devices": "/dev/sdb"},
}
