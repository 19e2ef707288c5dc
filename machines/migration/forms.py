"""How other hosts reach a host, as an administrator says it."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from machines.migration import ways
from virt.errors import Invalid


class AddressForm(forms.Form):
    libvirt = forms.CharField(
        label=_("libvirt, as other hosts call it"), max_length=300, required=False,
        help_text=_("qemu+tls://…/system, qemu+ssh://root@…/system or qemu+tcp://…/system. Empty: as told below."),
    )  # fmt: skip
    where = forms.CharField(
        label=_("Where memory and disks are sent"), max_length=300, required=False,
        help_text=_("tcp://address, perhaps of a fast network between hosts. Empty: as the host says itself (migration_host in qemu.conf, or its name)."),
    )  # fmt: skip

    def clean_libvirt(self) -> str:
        return _checked(ways.checked_libvirt, self.cleaned_data["libvirt"])

    def clean_where(self) -> str:
        return _checked(ways.checked_data, self.cleaned_data["where"])


def _checked(check: object, text: str) -> str:
    try:
        return str(check(text.strip()))  # type: ignore[operator]
    except Invalid as exc:
        raise forms.ValidationError(str(exc)) from exc
