"""Forms about pools and volumes; the API checks by the same."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hosts.storage.models import Pool, Volume
from virt import names
from virt.errors import Invalid
from virt.xml.build.volume import FORMATS, MOST_BYTES, VolumeSpec
from virt.xml.pools import WITHOUT_NEW, volume_formats

UNITS = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_WIPES = {
    "zero": _("Zeros, once"),
    "random": _("Random data, once"),
    "trim": _("TRIM: the storage forgets it"),
    "nnsa": _("NNSA, 4 passes"),
    "dod": _("DoD 5220.22-M, 4 passes"),
    "bsi": _("BSI, 9 passes"),
    "gutmann": _("Gutmann, 35 passes"),
    "schneier": _("Schneier, 7 passes"),
}


def _word() -> forms.TextInput:
    return forms.TextInput({"autocomplete": "off", "spellcheck": "false"})


def _first_word() -> forms.TextInput:
    return forms.TextInput({"autocomplete": "off", "spellcheck": "false", "autofocus": True})


class SizeForm(forms.Form):
    """A size of number and unit."""

    size = forms.FloatField(label=_("Size"), min_value=0, max_value=2**26, widget=forms.NumberInput({"step": "any", "inputmode": "decimal"}))
    unit = forms.ChoiceField(label=_("Unit"), choices=[(unit, unit) for unit in UNITS], initial="GiB")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        size, unit = cleaned.get("size"), cleaned.get("unit")
        if size is not None and unit:
            cleaned["capacity_bytes"] = capacity = round(size * UNITS[unit])
            if not 0 < capacity <= MOST_BYTES:
                self.add_error("size", _("A volume has between one byte and 64 TiB."))
        return cleaned


_FORMATS = [("qcow2", _("qcow2: grows as it is written, snapshots")), ("raw", _("raw: plain, fastest"))]


class VolumeForm(SizeForm):
    name = forms.CharField(label=_("Name"), max_length=200, strip=True, widget=_first_word())
    format = forms.ChoiceField(label=_("Format"), choices=_FORMATS)
    full = forms.BooleanField(label=_("Take all of its room from the pool at once"), required=False)
    backing = forms.CharField(
        label=_("Standing on"),
        required=False,
        max_length=255,
        help_text=_("A volume of this pool: the new one holds only the differences to it, which must not change any more."),
        widget=forms.TextInput({"list": "backing-names", "autocomplete": "off"}),
    )

    def __init__(self, data: Any = None, *, pool: Pool) -> None:
        super().__init__(data)
        self.pool = pool
        formats = volume_formats(pool.kind)
        self.fields["format"].choices = [choice for choice in _FORMATS if choice[0] in formats]  # type: ignore[attr-defined]
        if "qcow2" not in formats:
            del self.fields["backing"]
        self.order_fields(["name", "size", "unit", "format", "full", "backing"])

    def clean_name(self) -> str:
        return checked_name(self.cleaned_data["name"], self.pool)

    def clean_backing(self) -> Volume | None:
        name = self.cleaned_data["backing"]
        if not name:
            return None
        found = self.pool.volumes.filter(name=name).first()
        if found is None:
            raise forms.ValidationError(_("There is no such volume in the pool."))
        if found.format not in FORMATS:
            raise forms.ValidationError(_("Only a qcow2 or raw volume can be stood on."))
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("backing") and cleaned.get("format") != "qcow2":
            self.add_error("format", _("Only a qcow2 volume can hold the differences to another one."))
        if cleaned.get("full") and cleaned.get("capacity_bytes", 0) > self.pool.available_bytes:
            self.add_error("size", _("The pool has not so much room left."))
        return cleaned

    def spec(self) -> VolumeSpec:
        cleaned = self.cleaned_data
        backing = cleaned.get("backing")
        return VolumeSpec(
            name=cleaned["name"],
            capacity_bytes=cleaned["capacity_bytes"],
            format=cleaned["format"],
            allocation_bytes=cleaned["capacity_bytes"] if cleaned["full"] else 0,
            backing_path=backing.path if backing else "",
            backing_format=backing.format if backing else "",
        )


class CloneForm(forms.Form):
    name = forms.CharField(label=_("Name of the copy"), max_length=200, widget=_first_word())
    pool = forms.ModelChoiceField(label=_("Into"), queryset=Pool.objects.none(), empty_label=None)

    def __init__(self, data: Any = None, *, volume: Volume) -> None:
        super().__init__(data, initial={"pool": volume.pool_id, "name": _copy_name(volume.name)})
        targets = Pool.objects.filter(host_id=volume.pool.host_id, gone_at=None, state="running").exclude(kind__in=WITHOUT_NEW)
        self.fields["pool"].queryset = targets.order_by("name")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "name" in cleaned and "pool" in cleaned:
            try:
                checked_name(cleaned["name"], cleaned["pool"])
            except forms.ValidationError as exc:
                self.add_error("name", exc)
        return cleaned


class ResizeForm(SizeForm):
    shrink = forms.BooleanField(label=_("Make it smaller: what lies behind the new end is lost for good"), required=False)

    def __init__(self, data: Any = None, *, volume: Volume) -> None:
        unit = next((unit for unit, size in reversed(UNITS.items()) if volume.capacity_bytes >= size), "MiB")
        super().__init__(data, initial={"size": round(volume.capacity_bytes / UNITS[unit], 3), "unit": unit})
        self.volume = volume

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        capacity = cleaned.get("capacity_bytes")
        if capacity and capacity < self.volume.capacity_bytes and not cleaned.get("shrink"):
            self.add_error("shrink", _("The new size is smaller than the present one. Tick this if that is meant."))
        return cleaned


class WipeForm(forms.Form):
    algorithm = forms.ChoiceField(label=_("How"), choices=list(_WIPES.items()), help_text=_("All but zeros and TRIM need the program scrub on the host."))
    typed = forms.CharField(label=_("To wipe it, type its name"), max_length=255, strip=False, widget=_word())

    def __init__(self, data: Any = None, *, volume: Volume) -> None:
        super().__init__(data)
        self.volume = volume

    def clean_typed(self) -> str:
        return typed_name(self.cleaned_data["typed"], self.volume.name)


class TypedForm(forms.Form):
    """A name typed again before something is lost."""

    typed = forms.CharField(label=_("To delete it, type its name"), max_length=255, strip=False, widget=_word())

    def __init__(self, data: Any = None, *, name: str) -> None:
        super().__init__(data)
        self.name = name

    def clean_typed(self) -> str:
        return typed_name(self.cleaned_data["typed"], self.name)


def checked_name(name: str, pool: Pool) -> str:
    try:
        names.volume_name(name)
    except Invalid as exc:
        raise forms.ValidationError(str(exc)) from exc
    if pool.volumes.filter(name=name).exists():
        raise forms.ValidationError(_("A volume of that name is in the pool already."))
    return name


def typed_name(typed: str, name: str) -> str:
    if typed.strip() != name.strip():
        raise forms.ValidationError(_("That is not its name."))
    return typed


def _copy_name(name: str) -> str:
    stem, dot, end = name.rpartition(".")
    return f"{stem}-copy.{end}" if dot and stem else f"{name}-copy"
