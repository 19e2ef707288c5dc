"""The rows of the machine list as HTML. Fifty to two hundred a page and live, so they are put together here and not by a template:
a tenth of the time. Names and words from outside are escaped; the rest is our own markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from live.templatetags import wv
from machines.models import ACTIVE_STATES
from machines.rows import Row

register = template.Library()

_MUTE = str(wv.NOTHING)
_STALE = ' class="is-stale"'


@register.simple_tag
def machine_rows(rows: Iterable[Row], columns: Sequence[str], selectable: bool) -> SafeString:
    """A <tr> for each row with the columns that were chosen, and its console's button; `selectable` adds the box and the power button."""
    cells = [_CELLS[name] for name in columns]
    select, power, console = escape(gettext("Select")), escape(gettext("Power of")), escape(gettext("Console of"))
    return mark_safe("".join(_row(row, cells, select if selectable else "", power, console) for row in rows))


def _row(row: Row, cells: Sequence[Callable[[Row], str]], select: str, power: str, console: str) -> str:
    name, pk = escape(row.name), row.pk
    title = f' title="{escape(row.title)}"' if row.title else ""
    parts = [f'<tr id="m{pk}" data-topic="machine:{pk}" data-state="{escape(row.state)}"{_STALE if row.stale else ""}>']
    if select:
        parts.append(f'<td class="c-sel"><input class="form-check-input" type="checkbox" name="ids" value="{pk}" aria-label="{select} {name}"></td>')
    parts.append(f'<td class="c-state">{wv.state(row.shown, word=row.word)}</td>')
    parts.append(f'<th scope="row" class="c-name"><a class="wv-ell" href="/machines/{pk}/"{title}>{name}</a></th>')
    parts.extend(cell(row) for cell in cells)
    console_button = _console_button(row, f"{console} {name}") if not row.stale else ""
    power_button = _power_button(row, f"{power} {name}") if select and row.acts and not row.stale else ""
    parts.append(f'<td class="c-act">{console_button}{power_button}</td>')
    parts.append("</tr>\n")
    return "".join(parts)


def _console_button(row: Row, label: str) -> str:
    """In a tab of its own, the same one each time."""
    address = f'href="/consoles/{row.pk}/" target="console-{row.pk}"'
    return f'<a class="btn btn-ghost btn-icon btn-s" {address} aria-label="{label}">{wv.icon("terminal-2" if row.types else "eye")}</a>'


def _power_button(row: Row, label: str) -> str:
    return f'<a class="btn btn-ghost btn-icon btn-s" href="/machines/{row.pk}/power/" data-dialog aria-label="{label}">{wv.icon("power")}</a>'


def _host(row: Row) -> str:
    name = escape(row.host_name)
    return f'<td class="c-host"><a class="wv-plain" href="/hosts/{row.host_id}/">{name}</a></td>' if row.sees_host else f'<td class="c-host">{name}</td>'


def _cpu(row: Row) -> str:
    return f'<td class="c-cpu"><span class="wv-cpu">{wv.spark(row.points)}<span class="wv-num" data-n="cpu">{wv.percent(row.cpu)}</span></span></td>'


def _memory(row: Row) -> str:
    meter = "<span></span>" if row.memory_used is None else wv.meter(row.memory_used, row.memory_total)
    numbers = f'<span class="wv-mute">{wv.bytes_(row.memory_total)}</span>' if row.memory_used is None else wv.of_(row.memory_used, row.memory_total)
    return f'<td class="c-mem"><span class="wv-mem" data-n="mem">{meter}<span class="wv-num">{numbers}</span></span></td>'


def _disk(row: Row) -> str:
    return f'<td class="c-io wv-num" data-n="disk">{wv.rate(row.disk)}</td>'


def _net(row: Row) -> str:
    return f'<td class="c-io wv-num" data-n="net">{wv.rate(row.net)}</td>'


def _ip(row: Row) -> str:
    if not row.ip:
        return f'<td class="c-ip">{_MUTE}</td>'
    more = f' <span class="wv-u">+{row.more_ips}</span>' if row.more_ips else ""
    return f'<td class="c-ip"><bdi>{escape(row.ip)}</bdi>{more}</td>'


def _os(row: Row) -> str:
    if not row.os:
        return f'<td class="c-os">{_MUTE}</td>'
    icon, name = wv.icon(row.os_icon, "ic-s wv-mute") if row.os_icon else "", escape(row.os)
    return f'<td class="c-os"><span class="wv-row-s">{icon}<span class="wv-ell" title="{name}">{name}</span></span></td>'


def _tags(row: Row) -> str:
    """The first of them; all in the title."""
    shown, more = row.tags[:_MOST_TAGS], len(row.tags) - _MOST_TAGS
    rest = f' <span class="wv-u">+{more}</span>' if more > 0 else ""
    title = f' title="{escape(", ".join(row.tags))}"' if more > 0 else ""
    return f'<td class="c-tags"{title}><span class="wv-row-s">{"".join(map(wv.tag, shown))}{rest}</span></td>'


_MOST_TAGS = 3


def _uptime(row: Row) -> str:
    return f'<td class="c-up wv-num">{wv.uptime(row.started_at)}</td>'


def _vcpus(row: Row) -> str:
    return f'<td class="c-vcpu wv-num">{row.vcpus}</td>'


def _autostart(row: Row) -> str:
    return f'<td class="c-auto">{escape(gettext("On")) if row.autostart else _MUTE}</td>'


def _screen(row: Row) -> str:
    """Taken only while the row is in sight (static/js/wv-screen.js)."""
    if row.stale or row.state not in ACTIVE_STATES:
        return f'<td class="c-screen">{_MUTE}</td>'
    label = escape(gettext("Screen of %(name)s") % {"name": row.name})
    return f'<td class="c-screen"><wv-screen class="wv-thumb" src="/machines/{row.pk}/screen/" state="live" label="{label}"></wv-screen></td>'


def _uuid(row: Row) -> str:
    return f'<td class="c-uuid"><code>{escape(row.uuid)}</code></td>'


# As machines.listing.COLUMNS has them; a test holds the two together.
_CELLS: dict[str, Callable[[Row], str]] = {
    "host": _host,
    "cpu": _cpu,
    "mem": _memory,
    "disk": _disk,
    "net": _net,
    "ip": _ip,
    "os": _os,
    "tags": _tags,
    "up": _uptime,
    "vcpus": _vcpus,
    "autostart": _autostart,
    "screen": _screen,
    "uuid": _uuid,
}
