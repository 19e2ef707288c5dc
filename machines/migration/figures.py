"""What libvirt counts while a machine moves, in words for the job's page. The names are those that following.py reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from live.templatetags.wv import bytes_plain


def words(figures: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """In the order in which an operator asks; what is not told is missing."""
    found: list[tuple[Any, str]] = []
    for left, total, title in (("memory_left", "memory_total", _("Memory left")), ("disk_left", "disk_total", _("Disks left"))):
        if figures.get(total):
            found.append((title, _("%(left)s of %(total)s") % {"left": bytes_plain(figures.get(left) or 0), "total": bytes_plain(figures[total])}))
    if figures.get("dirty_bps") is not None and figures.get("memory_total"):
        found.append((_("Memory changes"), f"{bytes_plain(figures['dirty_bps'])}/s"))
    if figures.get("iteration"):
        found.append((_("Round"), str(figures["iteration"])))
    if figures.get("downtime_ms") is not None:
        found.append((_("Expected pause"), _("%(n)s ms") % {"n": figures["downtime_ms"]}))
    if figures.get("throttle_percent"):
        found.append((_("Guest slowed by"), f"{figures['throttle_percent']} %"))
    return found
