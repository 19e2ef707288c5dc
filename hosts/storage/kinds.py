"""What people call the kinds of pools."""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from virt.xml.pools import KINDS

# Those that are only looked at; the others have a description each.
_SEEN_ONLY = {
    "iscsi-direct": _("iSCSI, direct"),
    "gluster": _("Gluster"),
    "scsi": _("SCSI"),
    "mpath": _("Multipath"),
}


def word(kind: str) -> str:
    return gettext(KINDS[kind].title) if kind in KINDS else str(_SEEN_ONLY.get(kind, kind))
