"""What people can send about snapshots."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from machines.forms import MOST_AT_ONCE
from machines.listing import Query
from machines.models import Machine
from machines.snapshots import choices
from machines.snapshots.actions import Wish, subject_of
from machines.snapshots.models import Kind
from virt.xml.build.snapshot import LONGEST_NAME, name_problem

LONGEST_DESCRIPTION = 4_000
MEMORY, DISKS = "memory", "disks"


def usual_name() -> str:
    """A name that sorts and tells when."""
    return f"{timezone.now():%Y-%m-%d-%H%M}"


class NameForm(forms.Form):
    """What every snapshot has."""

    name = forms.CharField(label=_("Name"), max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}))
    description = forms.CharField(label=_("Description"), required=False, max_length=LONGEST_DESCRIPTION, widget=forms.Textarea(attrs={"rows": 2}))

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if problem := name_problem(name):
            raise forms.ValidationError(problem)
        return name

    def clean_description(self) -> str:
        return str(self.cleaned_data["description"]).replace("\r\n", "\n")


class DescriptionForm(forms.Form):
    description = forms.CharField(label=_("Description"), required=False, max_length=LONGEST_DESCRIPTION, widget=forms.Textarea(attrs={"rows": 2}))

    def clean_description(self) -> str:
        return str(self.cleaned_data["description"]).replace("\r\n", "\n")


class CreateForm(NameForm):
    """A snapshot of one machine. What it can't have is not offered, and `why_not_…` say why."""

    what = forms.ChoiceField(label=_("What to keep"), choices=[(MEMORY, _("Disks and memory")), (DISKS, _("Disks alone"))], widget=forms.RadioSelect)
    kind = forms.ChoiceField(label=_("Where"), choices=[("auto", _("What suits it best")), (Kind.INTERNAL, ""), (Kind.EXTERNAL, "")], widget=forms.RadioSelect)
    quiesce = forms.BooleanField(label=_("Let the guest's agent freeze its file systems for a moment"), required=False)
    targets = forms.MultipleChoiceField(label=_("Disks"), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, machine: Machine, data: Any = None) -> None:
        self.machine = machine
        self.subject = subject_of(machine)
        drives = [drive.target for drive in self.subject.drives]
        usual = {"name": usual_name(), "what": MEMORY if machine.is_active else DISKS, "kind": "auto", "targets": drives}
        super().__init__(data, initial=usual)
        self.fields["targets"].choices = [(target, target) for target in drives]  # type: ignore[attr-defined]
        self.fields["name"].widget.attrs["autofocus"] = True
        if not machine.is_active:
            self.fields["what"].required = False
        self.fields["kind"].required = False

    @property
    def best(self) -> Kind | None:
        """The kind that is taken when nobody chooses."""
        return choices.best(self.subject, memory=self.machine.is_active, some_disks=False)

    @property
    def kinds(self) -> list[tuple[str, Any, str]]:
        """Value, words and why it can't be chosen."""
        internal = choices.why_not(self.subject, Kind.INTERNAL, memory=True, some_disks=False)
        return [
            (Kind.INTERNAL.value, _("Inside the disks: nothing to merge later; a running guest stands still meanwhile"), internal),
            (Kind.EXTERNAL.value, _("In new files: the guest runs on; deleting it merges files"), choices.why_not_external(self.subject)),
        ]

    @property
    def can_quiesce(self) -> bool:
        return self.machine.is_active and self.machine.agent == "answers"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        drives = {drive.target for drive in self.subject.drives}
        some = bool(cleaned["targets"]) and set(cleaned["targets"]) != drives
        memory = self.machine.is_active and cleaned["what"] != DISKS
        kind = cleaned["kind"] or "auto"
        chosen = choices.best(self.subject, memory=memory, some_disks=some) if kind == "auto" else Kind(kind)
        reason = choices.why_not(self.subject, chosen or Kind.EXTERNAL, memory=memory, some_disks=some)
        if drives and not cleaned["targets"]:
            reason = str(_("Choose at least one disk."))
        if reason:
            raise forms.ValidationError(reason)
        return cleaned | {"memory": memory, "some": some, "chosen": kind}

    @property
    def wish(self) -> Wish:
        data = self.cleaned_data
        quiesce = data["quiesce"] and self.can_quiesce and not data["memory"]
        return Wish(data["name"], data["description"], data["chosen"], data["memory"], quiesce, tuple(data["targets"]) if data["some"] else ())


class BulkForm(NameForm):
    """The same name for many; each gets the kind that suits it best."""

    memory = forms.BooleanField(label=_("Keep the memory of those that run"), required=False)
    all = forms.CharField(required=False, max_length=4_000, widget=forms.HiddenInput)

    def __init__(self, sent: QueryDict) -> None:
        """`sent`: the list's selection alone, or the form filled in."""
        usual = {"name": usual_name(), "memory": True, "all": sent.get("all", "")}
        super().__init__(sent if "name" in sent else None, initial=usual)
        self._sent = sent

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if len(self.ids) > MOST_AT_ONCE:
            raise forms.ValidationError(_("At most %(n)d machines at once.") % {"n": MOST_AT_ONCE})
        return cleaned

    @property
    def ids(self) -> set[int]:
        return {int(text) for text in self._sent.getlist("ids") if text.isascii() and text.isdigit() and len(text) < 16}

    @property
    def query(self) -> Query | None:
        """The list whose machines are all meant, None when single ones are."""
        text = self._sent.get("all", "")[:4_000]
        return Query.of(QueryDict(text[1:])) if text.startswith("?") else None

    @property
    def wish(self) -> Wish:
        data = self.cleaned_data
        return Wish(data["name"], data["description"], memory=data["memory"])


class RevertForm(forms.Form):
    """`keep`: take a snapshot of now first, called `first`."""

    keep = forms.BooleanField(label=_("Take a snapshot of now first"), required=False)
    first = forms.CharField(required=False, max_length=LONGEST_NAME)
    run = forms.BooleanField(label=_("Start it afterwards"), required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first = cleaned.get("first", "") if cleaned.get("keep") else ""
        if cleaned.get("keep") and (problem := name_problem(first)):
            raise forms.ValidationError(problem)
        return cleaned | {"first": first}


class DeleteForm(forms.Form):
    children = forms.BooleanField(label=_("Delete all that came after it as well"), required=False)
