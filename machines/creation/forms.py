"""The page "New machine" as a form: everything that was typed stays, whatever it is sent for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from machines.creation import systems
from machines.creation.order import FROM_VOLUME, SOURCES, names_of
from machines.creation.wishes import Wish
from virt.errors import Invalid

GIB = 2**30


@dataclass(frozen=True)
class Card:
    value: str
    title: Any
    text: Any
    icon: str
    checked: bool = False


_CARDS = (
    ("cloud", _("Cloud image"), _("A ready-made system"), "cloud"),
    ("iso", _("ISO"), _("Install from a disc"), "disc"),
    ("image", _("Disk image"), _("qcow2, VMDK, VHDX…"), "device-floppy"),
    ("ova", _("OVA"), _("VMware, VirtualBox"), "file-import"),
    ("network", _("Network boot"), _("PXE or iPXE"), "network"),
    ("volume", _("Existing disk"), _("Used as it is"), "database"),
    ("empty", _("Empty"), _("To be filled later"), "device-desktop"),
    ("xml", _("XML"), _("A definition of yours"), "file-code"),
)
_SIZES = (("small", _("Small"), 1, 2), ("medium", _("Medium"), 2, 4), ("large", _("Large"), 4, 8), ("huge", _("Extra large"), 8, 16))


@dataclass(frozen=True)
class DiskRow:
    number: int
    pool: str
    size: str
    format: str
    bus: str


@dataclass(frozen=True)
class NicRow:
    number: int
    source: str
    model: str
    mac: str


_FIRMWARES = (("", _("What suits the system")), ("bios", "BIOS"), ("efi", "UEFI"), ("secure", _("UEFI with Secure Boot")))


class NewMachineForm(forms.Form):
    """One value a field here; disks and cards come as lists of equal length (`disk_pool`, `disk_size`, …)."""

    name = forms.CharField(label=_("Name"), max_length=255, required=False)
    title = forms.CharField(label=_("Title"), max_length=100, required=False)
    os = forms.ChoiceField(label=_("System"), required=False)
    vcpus = forms.IntegerField(label=_("vCPU"), min_value=1, max_value=1024, required=False)
    memory = forms.FloatField(label=_("Memory, GiB"), min_value=0.015, max_value=65536, required=False)
    firmware = forms.ChoiceField(label=_("Firmware"), required=False, choices=_FIRMWARES)
    tpm = forms.BooleanField(label=_("TPM 2.0"), required=False)
    virt_type = forms.ChoiceField(
        label=_("Virtualisation"), required=False, choices=[("", _("What the host has")), ("kvm", "KVM"), ("qemu", _("Emulation, slow"))]
    )
    cpu = forms.CharField(label=_("CPU model"), max_length=100, required=False)
    board = forms.CharField(label=_("Machine type"), max_length=64, required=False)
    host_name = forms.CharField(label=_("Host name"), max_length=253, required=False)
    user = forms.CharField(label=_("User"), max_length=32, required=False)
    password = forms.CharField(
        label=_("Password"), max_length=256, required=False, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=True)
    )
    ssh_keys = forms.CharField(label=_("SSH keys"), max_length=100_000, required=False, widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}))
    packages = forms.CharField(label=_("Packages"), max_length=10_000, required=False)
    user_data = forms.CharField(
        label=_("User-data"), max_length=512 * 1024, required=False, strip=False, widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"})
    )
    xml = forms.CharField(
        label=_("Definition"), max_length=1_000_000, required=False, strip=False, widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false"})
    )

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, auto_id="new-%s")
        self.asked = data
        self.fields["os"].choices = [("", _("Any other")), *((each.name, each.title) for each in systems.every())]  # type: ignore[attr-defined]

    # ── what was chosen ──

    @property
    def source(self) -> str:
        chosen = self.asked.get("source", "")
        return chosen if chosen in SOURCES else "empty"

    @property
    def host_id(self) -> int | None:
        text = self.asked.get("host", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

    @property
    def place(self) -> tuple[str, str]:
        """Pool and volume that it starts from."""
        if self.source not in FROM_VOLUME:
            return "", ""
        pool, _slash, volume = self.asked.get("volume", "").partition("/")
        return pool[:255], volume[:255]

    @property
    def cards(self) -> list[Card]:
        return [Card(*card, checked=card[0] == self.source) for card in _CARDS]

    @property
    def system(self) -> systems.System | None:
        return systems.get(self.asked.get("os", ""))

    @property
    def sizes(self) -> list[tuple[str, Any, int, int, bool]]:
        now = (self.asked.get("vcpus", ""), self.asked.get("memory", ""))
        return [(name, title, vcpus, memory, now == (str(vcpus), str(memory))) for name, title, vcpus, memory in _SIZES]

    @property
    def disks(self) -> list[DiskRow]:
        return [DiskRow(*row) for row in self._rows("disk", ("pool", "size", "format", "bus"))]

    @property
    def nics(self) -> list[NicRow]:
        return [NicRow(*row) for row in self._rows("nic", ("source", "model", "mac"))]

    def _rows(self, kind: str, columns: tuple[str, ...]) -> Iterator[Any]:
        lists = [self.asked.getlist(f"{kind}_{column}")[:20] for column in columns]
        for number in range(len(lists[0])):
            yield number, *(values[number] if number < len(values) else "" for values in lists)

    # ── as a wish ──

    def names(self) -> list[str]:
        """Raises Invalid."""
        pattern = str(self.asked.get("name", "")).strip()
        if not pattern:
            raise Invalid("A machine needs a name.")
        return names_of(pattern)

    def wish(self, *, start: bool) -> Wish:
        """After is_valid(); with what is wrong left out, for the summary."""
        value, (pool, volume) = self.cleaned_data.get, self.place
        return Wish(
            source=self.source,
            pool=pool,
            volume=volume,
            os=value("os") or "",
            vcpus=value("vcpus") or 0,
            memory_bytes=int((value("memory") or 0) * GIB),
            disks=[{"pool": row.pool, "size_bytes": _bytes(row.size), "format": row.format or "qcow2", "bus": row.bus} for row in self.disks],
            nics=[{"source": row.source.removeprefix("bridge:"), "kind": _kind(row.source), "model": row.model, "mac": row.mac} for row in self.nics],
            title=value("title") or "",
            virt_type=value("virt_type") or "",
            cpu=value("cpu") or "",
            board=value("board") or "",
            firmware=value("firmware") or "",
            tpm=bool(value("tpm")),
            start=start,
            host_name=value("host_name") or "",
            user=value("user") or "",
            password=value("password") or "",
            ssh_keys=[line.strip() for line in (value("ssh_keys") or "").splitlines() if line.strip()],
            packages=(value("packages") or "").replace(",", " ").split(),
            user_data=(value("user_data") or "").replace("\r\n", "\n"),
            xml=value("xml") or "",
        )

    def refuse(self, errors: dict[str, str]) -> None:
        """What order_of() found wrong, at its field where there is one."""
        for name, words in errors.items():
            self.add_error(name if name in self.fields else None, words)


def _bytes(text: str) -> int:
    try:
        size = float(text.replace(",", "."))
    except ValueError:
        return 0
    return int(size * GIB) if 0 <= size <= 2**16 else 0


def _kind(source: str) -> str:
    return "bridge" if source.startswith("bridge:") else "network"


class NameForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=255)


class CloneForm(NameForm):
    pool = forms.CharField(label=_("Pool"), max_length=255, required=False)
    linked = forms.BooleanField(label=_("Linked: only the differences are stored"), required=False)
    start = forms.BooleanField(label=_("Start it"), required=False)


class DeleteForm(forms.Form):
    typed = forms.CharField(max_length=255)
    force_off = forms.BooleanField(required=False)
