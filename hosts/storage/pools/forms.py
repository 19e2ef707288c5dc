"""The form of a new pool, made from the description of its kind; and the small ones about pools that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hosts.models import Host
from hosts.storage.forms import TypedForm
from hosts.storage.pools import actions, places
from hosts.storage.pools.actions import NewPool
from virt import names
from virt.errors import Invalid
from virt.xml.devices.kind import Field, Values
from virt.xml.pools import PoolKind

_LONGEST, LONGEST_XML = 4_000, 100_000
_BUILDS = {
    "": gettext_lazy("Use what is there"),
    "new": gettext_lazy("Make %(what)s; refused where data is found"),
    "overwrite": gettext_lazy("Make %(what)s over what is there: all of that is lost"),
}


class NewPoolForm(forms.Form):
    """Only what the kind needs."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=200, widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}))
    start = forms.BooleanField(label=gettext_lazy("Start it now"), required=False)
    autostart = forms.BooleanField(label=gettext_lazy("Start it with the host"), required=False)
    anyway = forms.BooleanField(label=gettext_lazy("Make it there all the same"), required=False)

    def __init__(self, kind: PoolKind, host: Host, data: Any = None, *, initial: Mapping[str, str] | None = None) -> None:
        usual = {each.name: each.default for each in kind.fields} | {"start": True, "autostart": True}
        super().__init__(data, initial={**usual, **(initial or {})})
        self.kind, self.host = kind, host
        self.warned = False
        for each in kind.fields:
            self.fields[each.name] = _field(kind, each)
        if kind.build == "format":
            self._ask_about_building()

    @property
    def usual(self) -> list[forms.BoundField]:
        return [self[each.name] for each in self.kind.fields if not each.rare]

    @property
    def rare(self) -> list[forms.BoundField]:
        return [self[each.name] for each in self.kind.fields if each.rare]

    @property
    def rare_open(self) -> bool:
        return any(field.errors or field.value() for field in self.rare)

    @property
    def building(self) -> str:
        """What is chosen of the ways to build."""
        return str(self["build"].value() or "")

    @property
    def asked(self) -> Values:
        """What was typed so far, for the address that brings it back; nothing secret."""
        shown = ["name", *(each.name for each in self.kind.fields if each.type != "secret")]
        return {name: str(value) for name in shown if (value := self[name].value())}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            names.pool_name(name)
        except Invalid as exc:
            raise forms.ValidationError(str(exc)) from exc
        if places.standing(self.host).filter(name=name).exists():
            raise forms.ValidationError(_("A pool of that name is on the host already."))
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, words in self.kind.problems(self._values()).items():
            if name not in self.errors:
                self.add_error(name, _(words))
        self._check_login()
        self._check_building()
        values = self._values()
        self._check_place(self.kind.completed(cleaned["name"], values) if "name" in cleaned else values)
        return cleaned

    def wish(self) -> NewPool:
        """After is_valid()."""
        given = self.cleaned_data
        return NewPool(
            name=given["name"],
            kind=self.kind.name,
            values=self._values(),
            build=given.get("build", ""),
            start=given["start"],
            autostart=given["autostart"],
            password=given.get("password", ""),
        )

    def _values(self) -> Values:
        return {each.name: _text(self.cleaned_data.get(each.name, "")) for each in self.kind.fields if each.type != "secret"}

    def _ask_about_building(self) -> None:
        choices = [(value, _BUILDS[value] % {"what": _(self.kind.makes)}) for value in actions.builds(self.kind)]
        self.fields["build"] = forms.ChoiceField(label=_("What it stands on"), choices=choices, required=False, widget=forms.RadioSelect)
        self.fields["typed"] = forms.CharField(
            label=_("To overwrite it, type the device"), max_length=300, required=False, widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"})
        )

    def _check_login(self) -> None:
        given = self.cleaned_data
        if self.kind.login is None or {"user", "password"} & set(self.errors):
            return
        if given.get("user") and not given.get("password"):
            self.add_error("password", _("Give the password."))
        if given.get("password") and not given.get("user"):
            self.add_error("user", _("Whose password is it?"))
        if (password := given.get("password")) and (words := self.kind.field("password").problem(password)):
            self.add_error("password", _(words))

    def _check_building(self) -> None:
        given, build = self.cleaned_data, self.cleaned_data.get("build", "")
        if not build:
            return
        if "devices" in self.fields and not _text(given.get("devices")) and "devices" not in self.errors:
            self.add_error("devices", _("Say of which devices."))
        if self.kind.name == "fs" and given.get("format") == "auto":
            self.add_error("format", _("Say which file system is to be made."))
        devices = _text(given.get("devices") or given.get("device")).split()
        if build == "overwrite" and devices and given.get("typed", "").strip() != devices[0]:
            self.add_error("typed", _("Type %(device)s here: everything on it will be lost.") % {"device": devices[0]})

    def _check_place(self, values: Values) -> None:
        for clash in places.clashes(self.host, self.kind, values):
            if clash.field not in self.errors and (clash.certain or not self.cleaned_data.get("anyway")):
                self.add_error(clash.field, clash.words)
                self.warned = self.warned or not clash.certain


class BuildForm(TypedForm):
    """Its name typed again, for what may be lost."""

    typed = forms.CharField(label=gettext_lazy("To build it, type its name"), max_length=255, strip=False, widget=forms.TextInput({"autocomplete": "off"}))
    overwrite = forms.BooleanField(label=gettext_lazy("Also where data is found: all of that is lost"), required=False)


class RemoveForm(TypedForm):
    """Its name typed again; what is in it stays, unless that is said as well."""

    contents = forms.ChoiceField(choices=[("", ""), ("delete", "")], required=False)
    typed = forms.CharField(label=gettext_lazy("To remove it, type its name"), max_length=255, strip=False, widget=forms.TextInput({"autocomplete": "off"}))


class PasswordForm(forms.Form):
    password = forms.CharField(label=gettext_lazy("Password"), max_length=300, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}))

    def __init__(self, data: Any = None, *, kind: PoolKind | None) -> None:
        super().__init__(data)
        self.described = kind.field("password") if kind and kind.login else None
        if self.described:
            self.fields["password"].label = _(self.described.title)
            self.fields["password"].help_text = _(self.described.hint) if self.described.hint else ""

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if self.described and (words := self.described.problem(password)):
            raise forms.ValidationError(_(words))
        return password


class XmlForm(forms.Form):
    """A whole definition."""

    based_on = forms.CharField(max_length=64, widget=forms.HiddenInput)
    xml = forms.CharField(
        label=gettext_lazy("Definition"), max_length=LONGEST_XML, strip=False, widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "wrap": "off"})
    )

    def clean_xml(self) -> str:
        """Forms send lines ended the way of the web."""
        return str(self.cleaned_data["xml"]).replace("\r\n", "\n").strip()


def _field(kind: PoolKind, each: Field) -> forms.Field:
    """Its element is the kind's own: what was chosen for another kind must not stay in it."""
    attrs: dict[str, Any] = {"spellcheck": "false", "autocomplete": "off", "id": f"id_{kind.name}_{each.name}"}
    common: dict[str, Any] = {"label": _(each.title), "required": each.required, "help_text": _(each.hint) if each.hint else ""}
    if each.type == "choice":
        return forms.ChoiceField(choices=[(value, _(words)) for value, words in each.choices], widget=forms.Select(attrs=attrs), **common)
    if each.type == "lines":
        return forms.CharField(max_length=_LONGEST, widget=forms.Textarea(attrs=attrs | {"rows": 3}), **common)
    if each.type == "secret":
        return forms.CharField(max_length=300, strip=False, widget=forms.PasswordInput(attrs=attrs | {"autocomplete": "new-password"}), **common)
    return forms.CharField(max_length=_LONGEST, widget=forms.TextInput(attrs=attrs), **common)


def _text(value: Any) -> str:
    return "\n".join(str(value or "").split()) if "\n" in str(value or "") else str(value or "").strip()
