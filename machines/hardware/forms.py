"""A form for each kind of device, made from its description."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from machines.hardware import sizes
from machines.hardware.actions import tags_problem
from machines.hardware.offers import Offers
from virt.xml.devices import Field, Kind, Values

LONGEST_XML = 400_000
_LONGEST = 4_000


class SizeField(forms.CharField):
    """Bytes as text, typed and shown with a unit."""

    def prepare_value(self, value: Any) -> Any:
        return sizes.words(int(value)) if isinstance(value, str) and value.isdigit() and len(value) > 5 else value

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        if not text:
            return ""
        size = sizes.read(text)
        if size is None:
            raise forms.ValidationError(_("A size such as 512 MiB or 8 GiB."))
        return str(size)


class DeviceForm(forms.Form):
    """The fields of one device. `values`: what it has now; a new one has the defaults of its kind.

    `changes` are the fields whose value differs: only they are written.
    """

    based_on = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)

    def __init__(self, kind: Kind, offers: Offers, data: Any = None, *, values: Values | None = None, based_on: str = "") -> None:
        self.kind, self.values = kind, values
        self._offers = offers
        usual = {each.name: each.default or (_first(offers.networks) if each.offers == "networks" else "") for each in kind.fields}
        super().__init__(data, initial={**usual, **(values or {}), "based_on": based_on}, prefix=None)
        for each in kind.fields:
            self.fields[each.name] = self._field(each)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        values = {each.name: _text(cleaned.get(each.name, "")) for each in self.kind.fields if each.name in cleaned}
        for name, words in self.kind.problems(values).items():
            self.add_error(name, _(words))
        whole = self.kind.extra.get("whole")
        if whole and not self.errors and (words := whole({**(self.values or {}), **values})):
            self.add_error(None, _(words))
        return {**cleaned, **values}

    @property
    def changes(self) -> Values:
        """What is to be written: of a new device all that was given, else what differs."""
        given = {each.name: _text(self.cleaned_data.get(each.name, "")) for each in self.kind.fields if self._makes_sense(each)}
        if self.values is None:
            return {name: value for name, value in given.items() if value}
        return {name: value for name, value in given.items() if value != self.values.get(name, "")}

    def _makes_sense(self, each: Field) -> bool:
        """A field that the page hides for these values is not written, whatever it still holds."""
        if each.when is None:
            return True
        return _text(self.cleaned_data.get(each.when[0], "")) in each.when[1]

    def _field(self, each: Field) -> forms.Field:
        common: dict[str, Any] = {"label": _(each.title), "required": each.required, "help_text": _(each.hint) if each.hint else ""}
        if each.type == "flag":
            return forms.BooleanField(**{**common, "required": False})
        if each.type == "choice":
            return forms.ChoiceField(choices=self._choices(each), **common)
        if each.type == "size":
            return SizeField(max_length=40, **common)
        if each.type == "secret":
            return forms.CharField(max_length=200, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), **common)
        if each.type in ("lines", "order"):
            return forms.CharField(max_length=_LONGEST, widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}), **common)
        attrs: dict[str, Any] = {"spellcheck": "false", "autocomplete": "off"}
        if each.type == "number":
            attrs |= {"inputmode": "numeric"}
        if each.offers:
            attrs |= {"list": f"offers-{each.name}"}
        return forms.CharField(max_length=_LONGEST, widget=forms.TextInput(attrs=attrs), **common)

    def _choices(self, each: Field) -> list[tuple[str, Any]]:
        """With the value that is there, even if nobody here has heard of it."""
        found: list[tuple[str, Any]] = [(value, _(words)) for value, words in each.choices]
        now = (self.values or {}).get(each.name, "")
        if now not in dict(found) and (self.values is not None or not each.required):
            found.insert(0, (now, now or "–"))
        return found

    def offered(self, each: Field) -> list[tuple[str, str]]:
        return self._offers.of(each.offers) if each.offers else []


class GrowForm(forms.Form):
    """The new size of a disk."""

    size = SizeField(label=gettext_lazy("New size"), max_length=40, help_text=gettext_lazy("Such as 40 GiB. A disk can only grow."))


class XmlForm(forms.Form):
    """A whole definition."""

    based_on = forms.CharField(max_length=64, widget=forms.HiddenInput)
    xml = forms.CharField(
        label=gettext_lazy("Definition"), max_length=LONGEST_XML, strip=False, widget=forms.Textarea(attrs={"rows": 32, "spellcheck": "false", "wrap": "off"})
    )

    def clean_xml(self) -> str:
        """Forms send lines ended the way of the web."""
        return str(self.cleaned_data["xml"]).replace("\r\n", "\n").strip()


class TagsForm(forms.Form):
    tags = forms.CharField(label=gettext_lazy("Tags"), required=False, max_length=1_000, help_text=gettext_lazy("Words with spaces or commas between them"))

    def clean_tags(self) -> list[str]:
        texts = [text for text in re.split(r"[\s,]+", self.cleaned_data["tags"]) if text]
        if problem := tags_problem(texts):
            raise forms.ValidationError(_(problem))
        return list(dict.fromkeys(texts))


class LoginForm(forms.Form):
    """A user of the guest."""

    user = forms.RegexField(r"^[a-zA-Z_][\w.$-]{0,63}$", label=gettext_lazy("User in the guest"), initial="root", max_length=64)


class PasswordForm(LoginForm):
    password = forms.CharField(
        label=gettext_lazy("New password"), max_length=200, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )


class KeyForm(LoginForm):
    key = forms.CharField(
        label=gettext_lazy("Public key"),
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=gettext_lazy("As in id_ed25519.pub; several, one a line"),
    )

    def clean_key(self) -> str:
        lines = [line.strip() for line in str(self.cleaned_data["key"]).splitlines() if line.strip()]
        if not lines or len(lines) > 20 or any(not _is_public_key(line) for line in lines):
            raise forms.ValidationError(_("This is no public key of OpenSSH, such as “ssh-ed25519 AAAA… name”."))
        return "\n".join(lines)


def _is_public_key(line: str) -> bool:
    """A kind, and a body that says the same kind: no options, no private key, nothing else that a file of keys could hold."""
    match = re.fullmatch(r"((?:ssh|ecdsa|sk)-[a-z0-9@.-]+)\s+([A-Za-z0-9+/=]{40,})(?:\s+[^\x00-\x1f]{0,200})?", line)
    if not match:
        return False
    try:
        body = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        return False
    return body[4 : 4 + int.from_bytes(body[:4], "big")] == match[1].encode()


def _first(names: list[str]) -> str:
    return "default" if "default" in names else names[0] if names else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value or "").replace("\r\n", "\n").strip()
