"""What a PCI device is, by its class code. https://pcisig.com/specifications, "PCI Code and ID Assignment"."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

# The longest beginning that fits counts.
_WORDS = {
    "01": _("Storage"),
    "0106": _("SATA"),
    "0107": _("SAS"),
    "0108": _("NVMe"),
    "02": _("Network"),
    "0207": _("InfiniBand"),
    "03": _("Graphics"),
    "04": _("Multimedia"),
    "0403": _("Audio"),
    "05": _("Memory"),
    "06": _("Bridge"),
    "07": _("Communication"),
    "0700": _("Serial port"),
    "08": _("System"),
    "0b": _("Processor"),
    "0c": _("Serial bus"),
    "0c03": _("USB controller"),
    "0c04": _("Fibre Channel"),
    "0c05": _("SMBus"),
    "0d": _("Wireless"),
    "10": _("Encryption"),
    "11": _("Signal processing"),
    "12": _("Accelerator"),
}


def word(code: str) -> str:
    """ "" for a class that has no name here."""
    found = next((_WORDS[code[:length]] for length in (4, 2) if code[:length] in _WORDS), "")
    return str(found)
