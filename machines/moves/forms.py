"""What people can send about rounds of moves: what is wanted of all, and of single machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from hosts.models import Host
from machines.listing import Query
from machines.models import Machine
from machines.moves.actions import MOST_AT_ONCE
from machines.moves.planning import Deed, Wish

AS_PLANNED = ""
_TO = "to-"
_OF_ONE = {AS_PLANNED: Deed.MOVE, "move": Deed.MOVE, "leave": Deed.LEAVE, "cold": Deed.COLD, "shut-down": Deed.SHUT_DOWN}


class PlanForm(forms.Form):
    """`m<id>` says it for one machine: "leave", "cold", "shut-down", "to-<host>"; missing or "" is as planned."""

    stuck = forms.ChoiceField(
        label=_("Those that can’t be moved while they run"),
        choices=[
            (Deed.LEAVE, _("Leave them running where they are")),
            (Deed.COLD, _("Shut them down, move them, and start them there")),
            (Deed.SHUT_DOWN, _("Shut them down and leave them")),
        ],
        widget=forms.RadioSelect,
    )
    off = forms.ChoiceField(
        label=_("Those that are off"), choices=[("leave", _("Leave them where they are")), ("move", _("Move them as well"))], widget=forms.RadioSelect
    )
    to = forms.TypedChoiceField(label=_("Move to"), required=False, coerce=int, empty_value=None)

    def __init__(self, machines: Sequence[Machine], targets: Sequence[Host], data: QueryDict | None = None, *, off: str = "leave") -> None:
        initial = {"stuck": Deed.LEAVE, "off": off, "to": ""}
        super().__init__(data if data and "stuck" in data else None, initial=initial)
        self.machines, self.targets = machines, targets
        self._sent = data or QueryDict()
        choices = [("", _("Where each fits best")), *((host.pk, host.name) for host in targets)]
        self.fields["to"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        bad = [machine.name for machine in self.machines if not self._makes_sense(self.choice_of(machine.pk))]
        if bad:
            raise forms.ValidationError(_("What is to be done with %(name)s makes no sense.") % {"name": bad[0]})
        return cleaned

    def choice_of(self, machine_id: int) -> str:
        return str(self._sent.get(f"m{machine_id}", AS_PLANNED))[:24]

    @property
    def wishes(self) -> dict[int, Wish]:
        """Also of a form that was not sent yet: the usual ones."""
        data = getattr(self, "cleaned_data", None) or {"stuck": Deed.LEAVE, "off": self.initial["off"], "to": None}
        return {machine.pk: self._wish(machine, data) for machine in self.machines}

    def _wish(self, machine: Machine, data: dict[str, Any]) -> Wish:
        choice, target, stuck = self.choice_of(machine.pk), data.get("to"), Deed(data.get("stuck", Deed.LEAVE))
        if not self._makes_sense(choice):
            choice = AS_PLANNED
        if choice.startswith(_TO):
            return Wish(Deed.MOVE, int(choice.removeprefix(_TO)), stuck)
        deed = _OF_ONE[choice]
        if choice == AS_PLANNED and not machine.is_active and data.get("off") != "move":
            deed = Deed.LEAVE
        return Wish(deed, target, stuck)

    def _makes_sense(self, choice: str) -> bool:
        if choice.startswith(_TO):
            return choice.removeprefix(_TO) in {str(host.pk) for host in self.targets}
        return choice in _OF_ONE


class SelectionForm(forms.Form):
    """Which machines: `ids`, or `all` with the query of the list."""

    all = forms.CharField(required=False, max_length=4_000)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self._sent = data

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if len(self.ids) > MOST_AT_ONCE:
            raise forms.ValidationError(_("At most %(n)d machines at once.") % {"n": MOST_AT_ONCE})
        return cleaned

    @property
    def address(self) -> str:
        """The selection as a query: few enough are meant at once that it fits into an address."""
        return urlencode({"all": self._sent.get("all", "")} if self.query else {"ids": sorted(self.ids)}, doseq=True)

    def fields_of(self, machines: Sequence[Machine]) -> list[tuple[str, str]]:
        """Hidden fields that say the same: who was seen in the plan is meant, whatever the filter finds later."""
        return [("ids", str(machine.pk)) for machine in machines]

    @property
    def ids(self) -> set[int]:
        return {int(text) for text in self._sent.getlist("ids") if text.isascii() and text.isdigit() and len(text) < 16}

    @property
    def query(self) -> Query | None:
        """The list whose machines are all meant, None when single ones are."""
        text = self._sent.get("all", "")[:4_000]
        return Query.of(QueryDict(text[1:])) if text.startswith("?") else None
