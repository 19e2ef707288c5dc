"""Marks of the pages: icons, states, sizes, rates, times. Each is called hundreds of times a page, so none renders a template.

Everything that comes from outside (names, words) is escaped; the rest is our own markup. static/js/format.js writes
the same forms in the browser: change them together (tests/unit/static/test_format_parity.py holds them to it).
"""

from __future__ import annotations

import datetime as dt
import functools
import time
from collections.abc import Iterable
from typing import Any, Final

from django import template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

register = template.Library()

UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
NOTHING: Final = mark_safe('<span class="wv-mute">–</span>')

# Name of a state → (shape in the sprite, word). Machines first, then hosts; an unknown name is shown as it is.
STATES: Final[dict[str, tuple[str, Any]]] = {
    "running": ("running", _lazy("Running")),
    "off": ("off", _lazy("Off")),
    "paused": ("paused", _lazy("Paused")),
    "shutting_down": ("stopping", _lazy("Shutting down")),
    "crashed": ("crashed", _lazy("Crashed")),
    "suspended": ("asleep", _lazy("Asleep")),
    "asleep": ("asleep", _lazy("Asleep")),
    "moving": ("moving", _lazy("Moving")),
    "saved": ("saved", _lazy("Saved")),
    "stale": ("stale", _lazy("Not seen")),
    "gone": ("stale", _lazy("Gone")),
    "unknown": ("unknown", _lazy("Unknown")),
    "ok": ("ok", _lazy("Healthy")),
    "warn": ("warn", _lazy("Warning")),
    "down": ("down", _lazy("Not answering")),
    "maint": ("maint", _lazy("Maintenance")),
}


# ── icons and states ──


@register.simple_tag
def icon(name: str, classes: str = "", label: str = "") -> SafeString:
    """An outline icon; with a label it stands for itself, without it is decoration."""
    extra = f" {conditional_escape(classes)}" if classes else ""
    return mark_safe(f'<svg class="ic{extra}"{_named(label)}><use href="{_sprite()}#i-{conditional_escape(name)}"/></svg>')


@register.simple_tag
def glyph(state: str, label: str = "") -> SafeString:
    """The 12 px shape of a state, coloured by it."""
    shape = _shape(state)
    return mark_safe(f'<svg class="wv-g is-{shape}"{_named(label)}><use href="{_sprite()}#s-{shape}"/></svg>')


@register.simple_tag
def state(name: str, *, word: str = "", pill: bool = False) -> SafeString:
    """A state as shape and word, `pill` for the head of a page; `word` replaces the state's own ("Seen 14:02")."""
    shape = _shape(name)
    text = word or STATES.get(str(name), ("", name))[1]
    mark = f'<svg class="wv-g is-{shape}" aria-hidden="true"><use href="{_sprite()}#s-{shape}"/></svg>'
    return mark_safe(f'<span class="wv-state is-{shape}{" is-pill" if pill else ""}">{mark}{conditional_escape(text)}</span>')


@register.simple_tag
def tag(text: str) -> SafeString:
    return mark_safe(f'<span class="wv-tag {hue(text)}">{conditional_escape(text)}</span>')


@register.filter
def hue(text: object) -> str:
    """One of the 24 hue classes, always the same one for the same text (FNV-1a, so that the browser could do it too)."""
    digest = 0x811C9DC5
    for byte in str(text).encode():
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"h-{digest % 24 * 15}"


@register.filter
def initials(name: object) -> str:
    """Two letters for an avatar: "a.ivanova" → AI, "Anna Ivanova" → AI, "root" → RO."""
    parts = str(name).replace(".", " ").replace("-", " ").replace("_", " ").split()
    letters = parts[0][:1] + parts[-1][:1] if len(parts) > 1 else "".join(parts)[:2]
    return letters.upper()


@register.filter
def word(name: object) -> str:
    """The word of a state, for labels."""
    return str(STATES.get(str(name), ("", name))[1])


# ── numbers ──


@register.filter(name="bytes")
def bytes_(value: float | None) -> SafeString:
    """Binary units, the unit quiet: 5476083302 → 5.1 GiB; nothing known → –."""
    if value is None:
        return NOTHING
    number, unit = _scaled(value)
    return mark_safe(f'{number}<span class="wv-u">{unit}</span>')


@register.filter
def bytes_plain(value: float | None) -> str:
    """The same without markup, for titles and labels."""
    return "–" if value is None else " ".join(_scaled(value))


@register.filter
def rate(value: float | None) -> SafeString:
    """Bytes per second. Nothing moved → a quiet 0; nothing known → –."""
    if value is None:
        return NOTHING
    if value < 1:
        return mark_safe('<span class="wv-mute">0</span>')
    number, unit = _scaled(value)
    return mark_safe(f'{number}<span class="wv-u">{unit}/s</span>')


@register.filter
def percent(value: float | None) -> SafeString:
    """A share of 0..100."""
    if value is None:
        return NOTHING
    return mark_safe(f'{round(value)}<span class="wv-u">%</span>')


@register.filter
def count(value: int | None) -> str:
    """10214 → 10,214 or 10 214, by language."""
    if value is None:
        return "–"
    return f"{value:,}".replace(",", _separators(get_language() or "en")[1])


@register.simple_tag(name="of")
def of_(used: float | None, total: float | None) -> SafeString:
    """Used of total in the total's unit: 5.1 / 8 GiB."""
    if used is None or not total:
        return NOTHING
    whole, unit = _scaled(total)
    part = _number(used / 1024 ** UNITS.index(unit))
    return mark_safe(f'{part}<span class="wv-u">/ {whole} {unit}</span>')


@register.simple_tag
def meter(used: float | None, total: float | None, label: str = "", low: int = 90, high: int = 97) -> SafeString:
    """A level of 0..100 %; above `low` amber, above `high` red. Give the label where no text beside it says what it is."""
    share = 0 if used is None or not total else min(100, round(100 * used / total))
    name = format_html(' aria-label="{}"', label) if label else ' aria-hidden="true"'
    return mark_safe(f'<meter class="wv-meter" max="100" low="{low}" high="{high}" optimum="0" value="{share}"{name}></meter>')


@register.simple_tag
def spark(points: Iterable[float] | None, label: str = "") -> SafeString:
    """The last ten minutes of a share of 0..100 as one path, oldest first, at most 24 points; wv-rows keeps it moving.

    The path leaves the picture on three sides, so that stroke and fill are one element and only the line is seen.
    """
    known = [min(100, max(0, round(p))) for p in points or ()][-24:]
    hot = " is-hot" if known and sum(known[-4:]) >= 85 * len(known[-4:]) else ""
    return mark_safe(f'<svg class="wv-spark{hot}" viewBox="0 -5 23 108" preserveAspectRatio="none"{_named(label)}><path d="{_spark_path(known)}"/></svg>')


def _spark_path(points: list[int]) -> str:
    if not points:
        return ""
    start = 24 - len(points)
    line = " ".join(f"{start + i} {100 - p}" for i, p in enumerate(points))
    return f"M{start or -6} 120V{100 - points[0]}L{line}H29V120"


# ── times ──


@register.filter
def ago(moment: dt.datetime | None) -> SafeString:
    """How long since, ticking by itself in the browser (wv-time)."""
    if moment is None:
        return NOTHING
    seconds = (timezone.now() - moment).total_seconds()
    text = _("just now") if seconds < 5 else _("%(time)s ago") % {"time": _coarse(seconds)}
    return mark_safe(f'<wv-time at="{_iso(moment)}">{conditional_escape(text)}</wv-time>')


@register.filter
def uptime(moment: dt.datetime | None) -> SafeString:
    """The time since a start: 41 d, 3 h, 12 min; ticking as well."""
    if moment is None:
        return NOTHING
    text = _coarse((timezone.now() - moment).total_seconds())
    return mark_safe(f'<wv-time at="{_iso(moment)}" as="span">{conditional_escape(text)}</wv-time>')


@register.filter
def duration(seconds: float | None) -> str:
    """Two parts at most: 38 s, 1 min 12 s, 2 h 5 min, 3 d 4 h."""
    if seconds is None:
        return "–"
    rest = max(0, round(seconds))
    parts: list[str] = []
    for size, words in _PARTS:
        if rest >= size or (size == 1 and not parts):
            parts.append(words(rest // size))
            rest %= size
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


@register.filter
def moment(at: dt.datetime | None) -> SafeString:
    """The exact time, for logs: 2026-11-23 02:36:34, which the browser tells in the person's own zone."""
    return _exact(at, "%Y-%m-%d %H:%M:%S", "moment")


@register.filter
def clock(at: dt.datetime | None) -> SafeString:
    """The same without the day."""
    return _exact(at, "%H:%M:%S", "clock")


def _exact(at: dt.datetime | None, shape: str, kind: str) -> SafeString:
    if at is None:
        return NOTHING
    return mark_safe(f'<wv-time at="{_iso(at)}" as="{kind}">{at.astimezone(dt.UTC).strftime(shape)}</wv-time>')


def _coarse(seconds: float) -> str:
    """One part: 41 d."""
    whole = max(0, int(seconds))
    for size, words in _PARTS:
        if whole >= size:
            return words(whole // size)
    return _PARTS[-1][1](0)


def _days(n: int) -> str:
    return ngettext("%(n)d d", "%(n)d d", n) % {"n": n}


def _hours(n: int) -> str:
    return ngettext("%(n)d h", "%(n)d h", n) % {"n": n}


def _minutes(n: int) -> str:
    return ngettext("%(n)d min", "%(n)d min", n) % {"n": n}


def _seconds(n: int) -> str:
    return ngettext("%(n)d s", "%(n)d s", n) % {"n": n}


_PARTS: Final = ((86_400, _days), (3_600, _hours), (60, _minutes), (1, _seconds))


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ── frame and forms ──


@register.simple_tag
def now_ms() -> str:
    """When this page was made, for the live link: what changed since then it asks for (milliseconds of the epoch)."""
    return str(int(time.time() * 1000))


@register.simple_tag
def decimal_point() -> str:
    """The decimal point of the language, which the scripts need."""
    return _separators(get_language() or "en")[0]


@register.filter
def control(field: BoundField) -> SafeString:
    """The widget of a form field with the classes its kind needs."""
    widget = field.field.widget
    kind = getattr(widget, "input_type", "")
    wanted = {"checkbox": "form-check-input", "radio": "form-check-input", "select": "form-select"}.get(kind, "form-control")
    classes = f"{widget.attrs.get('class', '')} {wanted}{' is-invalid' if field.errors else ''}".strip()
    return field.as_widget(attrs={"class": classes})


@register.simple_tag(takes_context=True)
def here(context: template.Context, prefix: str) -> SafeString:
    """`aria-current` on the navigation entry whose pages these are; "/" means the start page alone."""
    request = context.get("request")
    path = getattr(request, "path", "")
    current = path == prefix if prefix == "/" else path.startswith(prefix)
    return mark_safe(' aria-current="page"' if current else "")


# ── helpers ──


@functools.cache
def _sprite() -> str:
    return static("icons.svg")


def _shape(name: object) -> str:
    known = STATES.get(str(name))
    return known[0] if known else "unknown"


def _named(label: str) -> str:
    return format_html(' role="img" aria-label="{}"', label) if label else ' aria-hidden="true"'


def _scaled(value: float) -> tuple[str, str]:
    size, step = float(value), 0
    while abs(size) >= 1023.95 and step < len(UNITS) - 1:
        size /= 1024
        step += 1
    return _number(size) if step else str(round(size)), UNITS[step]


def _number(size: float) -> str:
    """Three digits are enough to work with: 5.1, 54.2, 186; whole numbers without a tail."""
    text = f"{size:.1f}" if abs(size) < 99.95 else str(round(size))
    return text.removesuffix(".0").replace(".", _separators(get_language() or "en")[0])


@functools.cache
def _separators(language: str) -> tuple[str, str]:
    """Decimal point and thousands separator of a language."""
    point = str(formats.get_format("DECIMAL_SEPARATOR", language, use_l10n=True))
    thousands = str(formats.get_format("THOUSAND_SEPARATOR", language, use_l10n=True))
    return point, thousands
