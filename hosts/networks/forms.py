"""Forms about networks: their fields are those that the modes and parts describe (virt.xml.networks), and the same checks as the API's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from lxml import etree

from hosts.models import Host
from hosts.networks import checks
from hosts.networks.models import Network
from hosts.networks.offers import Offers, free_addresses
from virt import names
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.devices.kind import Field
from virt.xml.edit import network as editing
from virt.xml.edit.network import Edit
from virt.xml.networks import MODES, Mode, Part, Values
from virt.xml.read.network import mode_of

_LONGEST = 4_000


@dataclass(frozen=True)
class ShownField:
    """A field on the page. `modes`: those that have it, "" for all that its section has; `mark`: "now", "restart" or "" where nothing runs."""

    described: Field
    bound: Any
    modes: str = ""
    mark: str = ""
    offers: Sequence[str] = ()

    @property
    def is_wide(self) -> bool:
        return self.described.type == "flag"


@dataclass(frozen=True)
class ShownSection:
    """`usual`, `rare`: its fields; the rare ones are folded unless one of them says something."""

    name: str
    title: str
    text: str
    modes: str
    usual: list[ShownField]
    rare: list[ShownField]

    @property
    def is_open(self) -> bool:
        return any(each.bound.errors or each.bound.value() not in ("", None, False) for each in self.rare)


@dataclass(frozen=True)
class Card:
    """One of the modes to choose from."""

    mode: Mode
    checked: bool


class NetworkForm(forms.Form):
    """A new network of `host`, or (with `network`) the settings of one that is there."""

    def __init__(self, data: Any = None, *, host: Host, network: Network | None = None, initial: Mapping[str, str] | None = None) -> None:
        self.host, self.network = host, network
        self.root = tree.parse(network.xml, "network") if network else None
        self.offers = Offers.of(host)
        super().__init__(data, initial=self._initial(initial or {}))
        self.modes = self._modes()
        if network is None:
            self.fields["name"] = forms.CharField(label=gettext_lazy("Name"), max_length=200, widget=_words(autofocus=True))
            self.fields["start"] = forms.BooleanField(label=gettext_lazy("Start it now"), required=False)
            self.fields["autostart"] = forms.BooleanField(label=gettext_lazy("Start it with the host"), required=False)
        else:
            self.fields["based_on"] = forms.CharField(max_length=64, widget=forms.HiddenInput)
        self.fields["mode"] = forms.ChoiceField(choices=[(mode.name, mode.title) for mode in self.modes], required=bool(self.modes))
        for mode in self.modes:
            for each in mode.fields:
                self.fields.setdefault(each.name, field_of(each))

    # ── what the page shows ──

    @property
    def mode(self) -> Mode:
        """The chosen one."""
        chosen = str(self["mode"].value() or "")
        return next((mode for mode in self.modes if mode.name == chosen), self.modes[0])

    @property
    def cards(self) -> list[Card]:
        return [Card(mode, mode.name == self.mode.name) for mode in self.modes]

    @property
    def sections(self) -> list[ShownSection]:
        """Those of all modes that can be chosen, one of each name, in the order of the modes that have them."""
        having: dict[str, list[Mode]] = {}
        for mode in self.modes:
            for section in mode.sections:
                having.setdefault(section.name, []).append(mode)
        order = ["host", *(name for name in having if name != "host")]
        return [self._section(name, having[name]) for name in order if name in having]

    def _section(self, name: str, modes: list[Mode]) -> ShownSection:
        sections = [section for mode in modes for section in mode.sections if section.name == name]
        found: dict[str, tuple[Field, list[str]]] = {}
        for mode, section in zip(modes, sections, strict=True):
            for each in section.fields:
                found.setdefault(each.name, (each, []))[1].append(mode.name)
        shown = [self._shown(each, having if len(having) < len(modes) else []) for each, having in found.values()]
        first = sections[0]
        return ShownSection(
            name,
            _(first.title),
            _(first.text) if first.text else "",
            " ".join(mode.name for mode in modes),
            [each for each in shown if not each.described.rare],
            [each for each in shown if each.described.rare],
        )

    def _shown(self, each: Field, modes: list[str]) -> ShownField:
        runs = self.network is not None and self.network.active
        mark = ("now" if each.live else "restart") if runs else ""
        return ShownField(each, self[each.name], " ".join(modes), mark, self.offers.named(each.offers))

    # ── what comes in ──

    def clean_name(self) -> str:
        try:
            return names.network_name(self.cleaned_data["name"])
        except Invalid as exc:
            raise forms.ValidationError(str(exc)) from exc

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "mode" not in cleaned or "mode" in self.errors:
            return cleaned
        for name, words in self._problems(cleaned).items():
            self.add_error(name if name in self.fields else None, _(words))
        return cleaned

    def _problems(self, cleaned: dict[str, Any]) -> dict[str, str]:
        if self.network is None:
            return checks.of_new(self.host, cleaned.get("name", ""), self.chosen(cleaned), self.values(cleaned))
        assert self.root is not None
        return checks.of_edit(self.network, self.root, self.edit(cleaned))

    @staticmethod
    def chosen(cleaned: Mapping[str, Any]) -> Mode:
        return MODES[cleaned["mode"]]

    def values(self, cleaned: Mapping[str, Any]) -> Values:
        """What was given to the chosen mode; fields of others are left aside."""
        found = {each.name: text_of(cleaned.get(each.name, "")) for each in self.chosen(cleaned).fields}
        return {name: value for name, value in found.items() if value}

    def edit(self, cleaned: Mapping[str, Any]) -> Edit:
        """What differs from the definition."""
        assert self.root is not None
        mode = self.chosen(cleaned)
        now = editing.read(self.root)
        given = {each.name: text_of(cleaned.get(each.name, "")) for each in mode.fields}
        return Edit("set", mode.name, values={name: value for name, value in given.items() if value != now.get(name, "")})

    # ── steps ──

    def _modes(self) -> list[Mode]:
        if self.root is None:
            return list(MODES.values())
        return [mode for mode in MODES.values() if not editing.mode_problem(self.root, mode)]

    def _initial(self, given: Mapping[str, str]) -> dict[str, Any]:
        if self.network is None:
            usual = {"mode": "nat", "start": True, "autostart": True, "way": "bridge", **free_addresses(self.host)}
            return {**usual, **{name: value for name, value in given.items() if name in ("mode", "name")}}
        assert self.root is not None
        return {"mode": mode_of(self.root), "based_on": self.network.digest, "way": "bridge", **editing.read(self.root)}


class PartForm(forms.Form):
    """One of the things that a network has several of: a new one, or with `place` one that is there."""

    def __init__(self, data: Any = None, *, network: Network, part: Part, place: int | None = None, initial: Mapping[str, str] | None = None) -> None:
        self.network, self.part, self.place = network, part, place
        self.root = tree.parse(network.xml, "network")
        self.node: etree._Element | None = part.at(self.root, place) if place is not None else None
        known = part.read(self.node) if self.node is not None else {each.name: each.default for each in part.fields}
        given = {name: value for name, value in (initial or {}).items() if name in known}
        super().__init__(data, initial={"based_on": network.digest, **known, **given})
        self.fields["based_on"] = forms.CharField(max_length=64, widget=forms.HiddenInput)
        for each in self._fields:
            self.fields[each.name] = field_of(each)

    @property
    def _fields(self) -> list[Field]:
        """Without those that make no sense in this network."""
        return [each for each in self.part.fields if each.name != "vlan" or self.network.mode == "openvswitch"]

    @property
    def usual(self) -> list[ShownField]:
        return [ShownField(each, self[each.name]) for each in self._fields if not each.rare]

    @property
    def rare(self) -> list[ShownField]:
        return [ShownField(each, self[each.name]) for each in self._fields if each.rare]

    @property
    def is_open(self) -> bool:
        return any(each.bound.errors or each.bound.value() for each in self.rare)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, words in self.part.problems(self.root, self._values(cleaned), self.node).items():
            self.add_error(name if name in self.fields else None, _(words))
        return cleaned

    def edit(self) -> Edit:
        values = self._values(self.cleaned_data)
        if self.node is None:
            return Edit("add", self.part.name, values={name: value for name, value in values.items() if value})
        now = self.part.read(self.node)
        return Edit(
            "change", self.part.name, self.place if self.place is not None else -1, {name: value for name, value in values.items() if value != now[name]}
        )

    def _values(self, cleaned: Mapping[str, Any]) -> Values:
        found = {each.name: text_of(cleaned.get(each.name, "")) for each in self._fields}
        return {name: value.lower() if name == "mac" else value for name, value in found.items()}


class TypedForm(forms.Form):
    """A name typed again before something is lost."""

    typed = forms.CharField(label=gettext_lazy("To delete it, type its name"), max_length=255, strip=False)

    def __init__(self, data: Any = None, *, name: str) -> None:
        super().__init__(data)
        self.name = name
        self.fields["typed"].widget = _words()

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed.strip() != self.name.strip():
            raise forms.ValidationError(_("That is not its name."))
        return typed


# ── from a described field to one of a form ──


def field_of(each: Field) -> forms.Field:
    """Whether it is needed depends on the mode: the description's own check says so."""
    common: dict[str, Any] = {"label": _(each.title), "required": False, "help_text": _(each.hint) if each.hint else ""}
    if each.type == "flag":
        return forms.BooleanField(**common)
    if each.type == "choice":
        return forms.ChoiceField(choices=[(value, _(words)) for value, words in each.choices], **common)
    if each.type == "lines":
        return forms.CharField(max_length=_LONGEST, widget=forms.Textarea({"rows": 2, "spellcheck": "false", "autocomplete": "off"}), **common)
    more = {"inputmode": "numeric"} if each.type == "number" else {}
    if each.offers:
        more["list"] = f"offers-{each.name}"
    return forms.CharField(max_length=_LONGEST, widget=_words(**more), **common)


def text_of(value: Any) -> str:
    """A value of a form as the descriptions have it."""
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value or "").replace("\r\n", "\n").strip()


def _words(**attrs: Any) -> forms.TextInput:
    return forms.TextInput({"autocomplete": "off", "spellcheck": "false", **attrs})
