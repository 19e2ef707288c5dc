"""The search language of the machine list: words, `field:value`, `field>number`, `-` in front for "not".

    web host:kvm-0* state:running,paused cpu>80 -os:windows ip:10.20. name:"web 01" up>7d

A word without a field is looked for in names, host names of guests, uuids, addresses and MACs. `:` means "contains", or
a pattern when the value has a `*`; `=` means exactly. Values parted by commas are alternatives. Patterns are LIKE, never
regular expressions, and everything is bounded: no text a person can type makes the database work for long.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import CharField, F, FloatField, Lookup, Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from hosts.models import State as HostState
from machines.models import State, Tag

LONGEST = 400
MOST_TERMS = 16
_MOST_VALUES = 12
_MOST_STARS = 4


@dataclass(frozen=True)
class Term:
    """One condition. `problem` says why it can't be used, in words for the person; such a term filters nothing."""

    field: str  # "" for a plain word
    operator: str
    values: tuple[str, ...]
    negated: bool = False
    problem: str = ""

    @property
    def text(self) -> str:
        """As it could be typed again."""
        if not self.field:
            return ("-" if self.negated else "") + _quoted(self.values[0], always=bool(_TERM.fullmatch(self.values[0])))
        return ("-" if self.negated else "") + self.field + self.operator + ",".join(map(_quoted, self.values))

    @property
    def label(self) -> str:
        """The chip's words after the field's name."""
        sign = "" if self.operator == ":" else f"{self.operator} "
        return (_("not ") if self.negated else "") + sign + ", ".join(self.values)

    def condition(self) -> Q:
        found = Q(pk__in=[]) if not self.values else Q()
        for value in self.values:
            found |= _field(self.field).condition(self.operator, value)
        return ~found if self.negated else found


def parse(text: str) -> list[Term]:
    """The terms of a search text; never raises."""
    return [_term(word) for word in _WORD.findall(printable(text)[:LONGEST])][:MOST_TERMS]


def printable(text: str) -> str:
    """Without control characters, which no name has and PostgreSQL refuses; what parts words becomes a space."""
    return "".join(character if character.isprintable() else " " for character in text)


def condition_of(terms: Iterable[Term]) -> Q:
    """All of the terms that can be used, as one condition on machines."""
    wanted = Q()
    for term in terms:
        if not term.problem:
            wanted &= term.condition()
    return wanted


# ── reading ──

_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_PART = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_TERM = re.compile(r"(?P<not>[-!]?)(?P<field>[a-z]{1,12})(?P<operator>>=|<=|[:=<>])(?P<value>.*)", re.DOTALL | re.IGNORECASE)


def _term(word: str) -> Term:
    match = _TERM.fullmatch(word)
    field = _ALIASES.get(match["field"].lower(), match["field"].lower()) if match else ""
    if not match or field not in _FIELDS:  # "fe80::1" and "52:54:00:…" are words
        negated = len(word) > 1 and word[0] in "-!"
        return Term("", "", (_unquoted(word[1:] if negated else word),), negated)
    values = tuple(filter(None, (_unquoted(part).strip() for part in _PART.findall(match["value"]))))[:_MOST_VALUES]
    term = Term(field, match["operator"], values, bool(match["not"]))
    problem = _problem(term)
    return Term(term.field, term.operator, term.values, term.negated, problem) if problem else term


def _problem(term: Term) -> str:
    if not term.values:
        return _("%(field)s: a value is missing.") % {"field": term.field}
    for value in term.values:
        try:
            _field(term.field).condition(term.operator, value)
        except ValueError as exc:
            return f"{term.field}: {exc}"
    return ""


def _quoted(value: str, *, always: bool = False) -> str:
    return f'"{value}"' if always or not value or value[0] in "-!" or re.search(r"[\s,]", value) else value


def _unquoted(value: str) -> str:
    return value.replace('"', "")


# ── what fields there are ──


@dataclass(frozen=True)
class Field:
    """`condition(operator, value)` raises ValueError with words when it makes no sense."""

    condition: Callable[[str, str], Q]
    hint: str


def _text(*columns: str) -> Callable[[str, str], Q]:
    """Contains, pattern, or exactly; any of the columns."""

    def condition(operator: str, value: str) -> Q:
        if operator not in (":", "="):
            raise ValueError(_("takes : or =, no comparison."))
        found = Q()
        for column in columns:
            found |= _matches(column, operator, value)
        return found

    return condition


def _matches(column: str, operator: str, value: str) -> Q:
    if "*" in value:
        if value.count("*") > _MOST_STARS:
            raise ValueError(_("at most %(n)d stars.") % {"n": _MOST_STARS})
        return Q(**{f"{column}__like": _like_pattern(value)})
    return Q(**{f"{column}__{'iexact' if operator == '=' else 'icontains'}": value})


def _like_pattern(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return re.sub(r"\*+", "%", escaped)


def _word(operator: str, value: str) -> Q:
    """A word without a field: wherever a person would expect it to be found."""
    if "*" in value:
        return _text("name", "title", "guest_hostname")(":", value)
    text = _as_mac(value)
    return Q(name__icontains=value) | Q(search__icontains=text) | Q(title__icontains=value) | Q(guest_hostname__icontains=value) | Q(uuid__istartswith=value)


def _as_mac(value: str) -> str:
    """52-54-00-8A → 52:54:00:8a; anything else as it is."""
    return value.replace("-", ":").lower() if re.fullmatch(r"[0-9a-fA-F]{2}(-[0-9a-fA-F]{2}){2,5}", value) else value


def _state(operator: str, value: str) -> Q:
    """A state is known only of machines whose host answers; the others are "stale"."""
    word = value.lower().replace(" ", "_")
    if operator not in (":", "="):
        raise ValueError(_("takes : or =, no comparison."))
    answers = Q(host__state=HostState.ONLINE)
    if word in _STALE_WORDS:
        return ~answers
    if word == "saved":
        return answers & Q(state=State.OFF, has_saved_image=True)
    if _STATE_WORDS.get(word) is None:
        raise ValueError(_("“%(value)s” is no state. There are: %(states)s.") % {"value": value, "states": ", ".join([*_STATE_NAMES, "saved", "stale"])})
    return answers & Q(state=_STATE_WORDS[word])


_STATE_NAMES = [state.value for state in State]
_STATE_WORDS = {state.value: state for state in State} | {"shutdown": State.OFF, "asleep": State.SUSPENDED, "on": State.RUNNING}
_STALE_WORDS = ("stale", "unseen", "not_seen")


def _number(column: str, read: Callable[[str], float]) -> Callable[[str, str], Q]:
    """Comparison with a number; `:` and `=` mean the same."""

    def condition(operator: str, value: str) -> Q:
        return Q(**{f"{column}__{_COMPARISONS[operator]}": read(value)})

    return condition


_COMPARISONS = {":": "exact", "=": "exact", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_MEMORY_SHARE = Cast(F("memory_used_bytes"), FloatField()) * 100.0 / F("memory_bytes")


def _memory(operator: str, value: str) -> Q:
    """Used memory: percent, or bytes when the value has such a unit."""
    if re.search(r"[a-zA-Z]", value):
        return Q(**{f"memory_used_bytes__{_COMPARISONS[operator]}": _bytes(value)})
    lookup = _LOOKUPS[_COMPARISONS[operator]]
    return Q(memory_bytes__gt=0) & Q(lookup(_MEMORY_SHARE, _percent(value)))


def _percent(value: str) -> float:
    return _float(value.removesuffix("%"))


def _float(value: str) -> float:
    if not re.fullmatch(r"\d{1,15}([.]\d{1,6})?", value):
        raise ValueError(_("“%(value)s” is no number.") % {"value": value})
    return float(value)


def _bytes(value: str) -> float:
    """8, 8k, 8M, 8GiB, 2TB: binary units."""
    match = re.fullmatch(r"([\d.]+)\s*([kmgtp]?)i?b?(?:/s)?", value, re.IGNORECASE)
    if not match:
        raise ValueError(_("“%(value)s” is no size like 512M or 8G.") % {"value": value})
    return _float(match[1]) * 1024.0 ** " kmgtp".index(match[2].lower() or " ")


def _uptime(operator: str, value: str) -> Q:
    """up>7d: started more than seven days ago and still on."""
    match = re.fullmatch(r"(\d{1,5})\s*(s|min|m|h|d|w)?", value)
    if not match or operator in (":", "="):
        raise ValueError(_("compare with a time like 30min, 12h or 7d."))
    moment = timezone.now() - dt.timedelta(seconds=int(match[1]) * _SECONDS[match[2] or "d"])
    return Q(**{f"started_at__{_COMPARISONS[_TURNED[operator]]}": moment})


_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


def _switch(column: str) -> Callable[[str, str], Q]:
    def condition(operator: str, value: str) -> Q:
        word = value.lower()
        if operator not in (":", "=") or word not in ("on", "yes", "true", "off", "no", "false"):
            raise ValueError(_("takes on or off."))
        return Q(**{column: word in ("on", "yes", "true")})

    return condition


def _tag(operator: str, value: str) -> Q:
    """Machines with a tag that is, or fits, the value; tags are short, so that `:` means the whole one too."""
    if operator not in (":", "="):
        raise ValueError(_("takes : or =, no comparison."))
    if "*" in value:
        return Q(pk__in=Tag.objects.filter(_matches("text", ":", value)).values("machine_id"))
    return Q(pk__in=Tag.objects.filter(text__iexact=value).values("machine_id"))


def _agent(operator: str, value: str) -> Q:
    if operator not in (":", "=") or value.lower() not in ("answers", "silent", "missing"):
        raise ValueError(_("takes answers, silent or missing."))
    return Q(agent=value.lower())


def _field(name: str) -> Field:
    return _FIELDS[name]


_FIELDS = {
    "": Field(_word, ""),
    "name": Field(_text("name", "title"), "name:web*"),
    "host": Field(_text("host__name"), "host:kvm-0*"),
    "state": Field(_state, "state:off,crashed"),
    "os": Field(_text("os_name", "os_id"), "os:debian"),
    "ip": Field(_text("search"), "ip:10.20."),
    "mac": Field(_text("search"), "mac:52:54:00"),
    "uuid": Field(_text("uuid"), "uuid:6d1f"),
    "cpu": Field(_number("cpu_percent", _percent), "cpu>80"),
    "mem": Field(_memory, "mem>90"),
    "ram": Field(_number("memory_bytes", _bytes), "ram>=8G"),
    "vcpus": Field(_number("vcpus", _float), "vcpus>4"),
    "disk": Field(_number("disk_bps", _bytes), "disk>10M"),
    "net": Field(_number("net_bps", _bytes), "net>10M"),
    "up": Field(_uptime, "up>7d"),
    "tag": Field(_tag, "tag:prod"),
    "autostart": Field(_switch("autostart"), "autostart:off"),
    "agent": Field(_agent, "agent:missing"),
}
_ALIASES = {"memory": "mem", "hostname": "host", "uptime": "up", "vcpu": "vcpus", "system": "os", "network": "net", "status": "state", "tags": "tag"}

HINTS = [field.hint for field in _FIELDS.values() if field.hint]


@CharField.register_lookup
@TextField.register_lookup
class Like(Lookup):
    """column LIKE pattern, without regard to case, `\\` escaping."""

    lookup_name = "like"
    prepare_rhs = False

    def as_sql(self, compiler, connection):  # type: ignore[no-untyped-def]
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        word = "ILIKE" if connection.vendor == "postgresql" else "LIKE"
        return f"{left} {word} {right} ESCAPE '\\'", (*left_params, *right_params)


def _lookup_classes() -> dict[str, type[Lookup]]:
    from django.db.models import lookups

    return {"exact": lookups.Exact, "gt": lookups.GreaterThan, "gte": lookups.GreaterThanOrEqual, "lt": lookups.LessThan, "lte": lookups.LessThanOrEqual}


_LOOKUPS = _lookup_classes()
