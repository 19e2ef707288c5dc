"""Every kind of storage pool that can be made: one file each, listed here. The next one is one more file."""

from __future__ import annotations

from virt.errors import Invalid
from virt.xml.pools import dir, disk, fs, iscsi, logical, netfs, rbd, zfs
from virt.xml.pools.kind import PoolKind as PoolKind

KINDS: dict[str, PoolKind] = {module.KIND.name: module.KIND for module in (dir, fs, netfs, logical, disk, iscsi, rbd, zfs)}

# Kinds that are only looked at: libvirt has them, there is no form for them.
_SHARED_TOO = ("iscsi-direct", "gluster", "sheepdog", "scsi")
SHARED = frozenset({*(kind.name for kind in KINDS.values() if kind.shared), *_SHARED_TOO})

WITHOUT_NEW = tuple(kind.name for kind in KINDS.values() if not kind.formats)  # kinds in which libvirt makes no volumes

TAKE_FILES = tuple(kind.name for kind in KINDS.values() if kind.takes_files)


def pool_kind(name: str) -> PoolKind:
    """Raises Invalid for a kind that can't be made here."""
    try:
        return KINDS[name]
    except KeyError:
        raise Invalid(f"There is no kind of pool “{name}”.") from None


def volume_formats(kind: str) -> tuple[str, ...]:
    """Of new volumes in a pool of this kind, the usual one first; () where none can be made."""
    return KINDS[kind].formats if kind in KINDS else ("raw",)
