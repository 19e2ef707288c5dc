"""What people can send about machines."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from machines import notes
from machines.listing import Query
from machines.power import VERBS

MOST_AT_ONCE = 10_000


class PowerForm(forms.Form):
    """One of the verbs of machines.power."""

    action = forms.ChoiceField(choices=[(verb.name, verb.title) for verb in VERBS.values()])


class BulkPowerForm(PowerForm):
    """A verb for many: `ids`, or `all` with the query of the list: "?" and what follows in its address."""

    all = forms.CharField(required=False, max_length=4_000)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self._ids = data.getlist("ids")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        ids = {int(text) for text in self._ids if text.isascii() and text.isdigit() and len(text) < 16}
        if len(ids) > MOST_AT_ONCE:
            raise forms.ValidationError(_("At most %(n)d machines at once.") % {"n": MOST_AT_ONCE})
        return cleaned | {"ids": ids}

    @property
    def query(self) -> Query | None:
        """The list whose machines are all meant, None when single ones are."""
        text = self.cleaned_data["all"]
        return Query.of(QueryDict(text[1:])) if text.startswith("?") else None


class NotesForm(forms.Form):
    """Notes with what they are based on (notes.version)."""

    notes = forms.CharField(label=_("Notes"), required=False, max_length=notes.LONGEST, widget=forms.Textarea(attrs={"rows": 14}))
    version = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def clean_notes(self) -> str:
        """Forms send lines ended the way of the web."""
        return str(self.cleaned_data["notes"]).replace("\r\n", "\n")


class AutostartForm(forms.Form):
    """on=1 or on=0."""

    on = forms.TypedChoiceField(choices=[("1", _("On")), ("0", _("Off"))], coerce=lambda value: value == "1")
