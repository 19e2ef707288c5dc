"""Forms of files on their way; sizes and names are checked as everywhere."""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote, urlsplit

from django import forms
from django.utils.translation import gettext_lazy as _

from hosts.storage.forms import checked_name
from hosts.storage.models import Pool
from hosts.storage.transfers import digests, outward
from virt.errors import Invalid


def _text(**attributes: str) -> forms.TextInput:
    return forms.TextInput({"autocomplete": "off", "spellcheck": "false", **attributes})


class FetchForm(forms.Form):
    url = forms.CharField(label=_("Address"), max_length=2000, widget=_text(placeholder="https://", inputmode="url", autofocus="autofocus"))
    name = forms.CharField(label=_("Name"), max_length=255, required=False, strip=False, widget=_text(), help_text=_("Empty: as it is called there."))
    digest = forms.CharField(
        label=_("Checksum"),
        max_length=300,
        required=False,
        widget=_text(),
        help_text=_("SHA-256 or SHA-512, as it stands beside the file. What does not fit is removed."),
    )

    def __init__(self, data: Any = None, *, pool: Pool) -> None:
        super().__init__(data)
        self.pool = pool

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        try:
            outward.check_url(url)
        except Invalid as exc:
            raise forms.ValidationError(str(exc)) from exc
        return url

    def clean_digest(self) -> str:
        try:
            return digests.read(str(self.cleaned_data["digest"]))
        except Invalid as exc:
            raise forms.ValidationError(str(exc)) from exc

    def clean(self) -> dict[str, Any]:
        cleaned = dict(super().clean() or {})
        if "url" in cleaned and "name" in cleaned:
            name = cleaned["name"] or posixpath.basename(unquote(urlsplit(cleaned["url"]).path))
            try:
                cleaned["name"] = checked_name(name, self.pool)
            except forms.ValidationError as exc:
                self.add_error("name", exc)
        return cleaned
