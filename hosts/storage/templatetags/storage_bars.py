"""The capacity bar of a pool: used (solid), promised to its volumes (hatched), its size (the track). And names of files as they are."""

from __future__ import annotations

import unicodedata

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from hosts.storage.listing import PoolQuery, PoolRow, VolumeQuery

register = template.Library()


@register.simple_tag
def capacity_bar(row: PoolRow, small: bool = False) -> SafeString:
    """More promised than there is fills the bar, and a mark at its end says so."""
    used, promised = min(100.0, row.used), min(100.0, row.promised)
    label = escape(_("%(used)s %% used, %(promised)s %% promised to volumes") % {"used": round(row.used), "promised": round(row.promised)})
    over = '<rect class="p" x="98.5%" width="1.5%" height="100%"/>' if row.overbooked else ""
    return mark_safe(
        f'<svg class="wv-cap{" is-s" if small else ""} {row.fill}" role="img" aria-label="{label}">'
        f'<rect class="a" x="0%" width="{promised:.1f}%" height="100%"/><rect class="u" x="0%" width="{used:.1f}%" height="100%"/>{over}</svg>'
    )


@register.simple_tag
def query_url(query: PoolQuery | VolumeQuery, **changes: str) -> str:
    """The address of the list with some of it changed."""
    return query.url(**changes)


@register.filter
def plainly(name: str) -> str:
    """A name whose invisible characters are seen: one that turns the direction of writing makes "iso.exe" of "exe.osi"."""
    return "".join(f"[U+{ord(each):04X}]" if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp") else each for each in name)
