"""What the hardware page shows: devices on the left, one of them as a form, marks where a change takes effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from lxml import etree

from live.templatetags.wv import icon
from machines.hardware.definitions import Definitions
from machines.hardware.forms import DeviceForm
from machines.hardware.models import LiveDefinition
from machines.models import Machine
from virt.xml import tree
from virt.xml.devices import KINDS, Field, Kind, others
from virt.xml.devices.boot import bootable
from virt.xml.devices.kind import words_of
from virt.xml.edit.pending import Pending

GROUPS = (("system", ""), ("storage", "Storage"), ("network", "Network"), ("other", "Other"))


@dataclass(frozen=True)
class Device:
    """A line of the list. `waits`: something of it takes effect at next boot; `goes`: it is there until then only."""

    kind: Kind
    key: str
    name: str
    summary: str
    url: str
    waits: bool = False
    goes: bool = False


@dataclass(frozen=True)
class Group:
    title: str
    devices: list[Device]
    others: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """A field of the form with its mark: "now", "boot", or "" while the machine is off. `running`: what it runs with, where that differs."""

    bound: Any
    described: Field
    mark: str
    running: str
    offers: list[tuple[str, str]]

    @property
    def is_wide(self) -> bool:
        return self.described.type in ("lines", "order")


@dataclass(frozen=True)
class Bootable:
    name: str
    title: str
    chosen: bool


class Hardware:
    """The hardware of one machine."""

    def __init__(self, machine: Machine, definitions: Definitions | None = None) -> None:
        self.machine = machine
        self.definitions = definitions or Definitions(machine)

    @property
    def is_known(self) -> bool:
        return self.definitions.stored is not None

    @cached_property
    def pending(self) -> list[Pending]:
        return self.definitions.pending

    @cached_property
    def groups(self) -> list[Group]:
        stored = self.definitions.stored
        if stored is None:
            return []
        found = []
        for name, title in GROUPS:
            devices = [device for kind in KINDS.values() if kind.group == name for device in self._devices(kind, stored)]
            plain = [(str(node.tag), tree.text_of(node)) for node in others(stored)] if name == "other" else []
            if devices or plain:
                found.append(Group(_(title) if title else "", devices, plain))
        return found

    def _devices(self, kind: Kind, stored: etree._Element) -> Iterator[Device]:
        waiting = {each.key for each in self.pending if each.kind == kind.name and each.verb != "remove"}
        for key, node in kind.keyed(stored):
            if kind.name == "controller" and node.get("type") == "pci":
                continue  # libvirt makes as many as the devices need
            yield Device(kind, key, kind.title_of(node), kind.summary(node), self.url(kind, key), waits=key in waiting)
        for each in self.pending:
            if each.kind == kind.name and each.verb == "remove":
                yield Device(kind, each.key, each.device, "", "", goes=True)

    def url(self, kind: Kind, key: str) -> str:
        return reverse("hardware:device", args=[self.machine.pk, kind.name, key])

    @property
    def addable(self) -> list[tuple[str, list[Kind]]]:
        """Kinds that can be added: those that a running machine takes at once first."""
        kinds = [kind for kind in KINDS.values() if kind.addable and kind.is_device]
        if not self.machine.is_active:
            return [("", kinds)]
        quick = [kind for kind in kinds if kind.name in _AT_ONCE]
        return [(_("Takes effect at once"), quick), (_("At next boot"), [kind for kind in kinds if kind not in quick])]

    # ── one device ──

    def node(self, kind: Kind, key: str) -> etree._Element | None:
        return kind.find(self.definitions.stored, key) if self.definitions.stored is not None else None

    def asked(self, form: DeviceForm, *, key: str = "") -> list[Asked]:
        waiting = {each.field: each.live for each in self.pending if each.kind == form.kind.name and each.key == key and each.field}
        return [Asked(form[each.name], each, self._mark(form, each), _running(each, waiting), form.offered(each)) for each in form.kind.fields]

    def _mark(self, form: DeviceForm, each: Field) -> str:
        if not self.machine.is_active:
            return ""
        if form.values is None:
            return ""  # said once, of the whole device
        return "now" if each.live else "boot"

    def mark_of_new(self, kind: Kind) -> str:
        """Where a device of the kind, as its form begins, takes effect."""
        return "" if not self.machine.is_active else "now" if kind.name in _AT_ONCE else "boot"

    @cached_property
    def bootable(self) -> list[Bootable]:
        """Devices in the order of booting, then those that are not booted from."""
        stored = self.definitions.stored
        if stored is None:
            return []
        chosen = KINDS["boot"].field("order").read(stored).split("\n")
        titles = {name: _title(node) for name, node in bootable(stored)}
        rest = [name for name in titles if name not in chosen]
        return [Bootable(name, titles[name], name in chosen) for name in [*chosen, *rest] if name in titles]


# Kinds whose usual device a running machine takes.
_AT_ONCE = ("disk", "nic", "input", "rng", "filesystem", "vsock", "watchdog", "channel", "controller")


def _running(each: Field, waiting: dict[str, str]) -> str:
    if each.name not in waiting:
        return ""
    value = waiting[each.name]
    if each.type == "flag":
        return _("yes") if value else _("no")
    return words_of(each.choices, value).replace("\n", ", ") or "–"


def _title(node: etree._Element) -> str:
    for kind in KINDS.values():
        if kind.tag == node.tag and kind.owns(node):
            return " ".join(filter(None, (kind.title_of(node), kind.summary(node))))
    return str(node.tag)


def badge(machine: Machine) -> SafeString | None:
    """How much waits for the next boot."""
    if not machine.is_active:
        return None
    count = LiveDefinition.objects.filter(machine=machine).values_list("pending", flat=True).first()
    return format_html("{}{}", icon("hourglass", "ic-s", _("Waiting for the next boot:")), count) if count else None
