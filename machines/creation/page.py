"""What the page "New machine" shows beside the form: where it goes, what it costs there, what will be made."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from accounts.models import User
from hosts.devices.models import HostCapabilities
from hosts.models import Host
from hosts.storage.models import Pool
from machines.creation import actions, placement, systems
from machines.creation.candidates import Choices, choices, hosts_for
from machines.creation.forms import NewMachineForm
from machines.creation.order import FROM_VOLUME, Order, volume_name
from machines.creation.placement import Verdict
from machines.creation.shape import Ground, bus_of, shape
from machines.creation.wishes import Wrong, order_of
from virt.errors import Invalid
from virt.xml.build.machine import Disk, build_xml

_PREVIEW_UUID = "00000000-0000-4000-8000-000000000000"
_MOST_SHOWN = 12
_GIB = 2**30


@dataclass(frozen=True)
class Bar:
    """Of 100: what is in use, and what this adds. `words`: "602 → 634 of 768 GiB"."""

    title: str
    used: int
    added: int
    words: str
    level: str = ""


@dataclass(frozen=True)
class Item:
    """Something that will be made."""

    name: str
    pool: str
    words: str


@dataclass
class NewMachine:
    """The page, for a person and what they typed so far."""

    user: User
    form: NewMachineForm
    shows_errors: bool = False
    problems: dict[str, str] = field(default_factory=dict)

    @cached_property
    def hosts(self) -> list[Host]:
        return hosts_for(self.user)

    @cached_property
    def host(self) -> Host | None:
        """The one that was named, None for "where it fits"."""
        return next((host for host in self.hosts if host.pk == self.form.host_id), None)

    @cached_property
    def choices(self) -> Choices:
        return choices([self.host] if self.host else self.hosts, self.hosts, self.form.source)

    @property
    def asks_for_volume(self) -> bool:
        return self.form.source in FROM_VOLUME

    @cached_property
    def order(self) -> Order | None:
        """None while what was typed makes no sense yet."""
        self.form.is_valid()
        try:
            return order_of(self.form.wish(start=True), hash_password=False)[0]
        except Wrong as exc:
            self.problems = exc.errors
            return None

    @cached_property
    def names(self) -> list[str]:
        try:
            return self.form.names()
        except Invalid:
            return []

    @property
    def some_names(self) -> str:
        shown = [*self.names[:2], "…", self.names[-1]] if len(self.names) > 3 else self.names
        return ", ".join(shown)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        if self.order is None:
            return []
        return actions.verdicts(self.user, self.order, self.host.pk if self.host else None)

    @property
    def best(self) -> Verdict | None:
        return self.verdicts[0] if self.verdicts and (self.verdicts[0].fits or self.host) else None

    @property
    def fitting(self) -> int:
        return sum(verdict.fits for verdict in self.verdicts)

    @property
    def others(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.fits][:_MOST_SHOWN]

    @cached_property
    def bars(self) -> list[Bar]:
        """The chosen host afterwards."""
        if self.best is None or self.order is None:
            return []
        before, count = self.best.candidate, max(1, len(self.names))
        after = placement.after(before, self.order, count)
        found = []
        if before.cpus:
            words = _("%(now)d → %(then)d of %(all)d threads") % {"now": before.vcpus, "then": after.vcpus, "all": before.cpus}
            found.append(_bar(_("CPU"), before.vcpus, after.vcpus, before.cpus, words))
        if before.memory_bytes:
            now = before.memory_bytes - before.free_bytes
            found.append(_bar(_("Memory"), now, now + self.order.memory_bytes * count, before.memory_bytes))
        sizes = dict(Pool.objects.filter(host_id=before.id, gone_at=None).values_list("name", "capacity_bytes"))
        for pool in dict.fromkeys(disk.pool for disk in self.order.disks):
            if capacity := sizes.get(pool):
                now = capacity - before.pools.get(pool, 0)
                found.append(_bar(pool, now, now + sum(disk.size_bytes for disk in self.order.disks if disk.pool == pool) * count, capacity))
        return found

    @cached_property
    def target(self) -> Host | None:
        best = self.best
        return next((host for host in self.hosts if best and host.pk == best.candidate.id), None)

    @cached_property
    def ground(self) -> Ground | None:
        host = self.target
        if host is None:
            return None
        data = getattr(HostCapabilities.objects.filter(host=host).first(), "data", {})
        return Ground(host.driver, host.kvm, str(data.get("arch") or host.arch or "x86_64"), tuple(data.get("offers", ())))

    @property
    def emulated(self) -> bool:
        """Said loudly: without KVM a machine is ten times slower."""
        return bool(self.ground and self.order and self.ground.virt_type(self.order.virt_type) == "qemu")

    @cached_property
    def items(self) -> list[Item]:
        """Volumes that will be made, of the first machine."""
        if self.order is None:
            return []
        name, copied = (self.names or ["machine"])[0], self.order.source in ("image", "cloud")
        found = []
        for number, disk in enumerate(self.order.disks if self.order.source != "ova" else ()):
            file = volume_name(name, "########", f"disk{number + 1}" if number else "", disk.format)
            words = (
                _("copy of %(name)s") % {"name": self.order.volume} if copied and number == 0 else _("%(size).0f GiB, empty") % {"size": disk.size_bytes / _GIB}
            )
            found.append(Item(file, disk.pool, words))
        if self.order.source == "cloud" and self.order.disks:
            found.append(Item(volume_name(name, "########", "seed", "iso"), self.order.disks[0].pool, _("for cloud-init")))
        return found

    @cached_property
    def xml(self) -> str:
        """The definition of the first machine, as far as it is known before its disks are made; "" where the worker alone can tell."""
        if self.order is None or self.ground is None or self.order.source in ("ova", "xml"):
            return ""
        folders = dict(Pool.objects.filter(host=self.target, gone_at=None).values_list("name", "path"))
        disks = [Disk("file", f"{folders.get(item.pool, '')}/{item.name}", format=_format(item.name), bus=_bus(self.order, item.name)) for item in self.items]
        if self.order.source in ("iso", "volume"):
            disc, path = self.order.source == "iso", f"{folders.get(self.order.pool, '')}/{self.order.volume}"
            disks.append(Disk("file", path, format="raw", device="cdrom" if disc else "disk", bus="sata" if disc else bus_of(self.order), readonly=disc))
        try:
            return build_xml(shape(self.order, self.ground, (self.names or ["machine"])[0], _PREVIEW_UUID, tuple(disks)))
        except Invalid as exc:
            return str(exc)


def _format(name: str) -> str:
    return "qcow2" if name.endswith(".qcow2") else "raw"


def _bus(order: Order, name: str) -> str:
    return "scsi" if name.endswith(".iso") else bus_of(order)


def _bar(title: str, now: float, then: float, whole: float, words: str = "") -> Bar:
    used, total = round(100 * min(now, whole) / whole), round(100 * min(then, whole) / whole)
    added = max(total - used, 1 if then > now and total < 100 else 0)
    words = words or _("%(now).1f → %(then).1f of %(all).1f GiB") % {"now": now / _GIB, "then": then / _GIB, "all": whole / _GIB}
    return Bar(title, used, added, words, "is-err" if then > whole else "is-warn" if then > 0.9 * whole else "")


# ── what a new page holds ──


def defaults(user: User, asked: QueryDict) -> QueryDict:
    """What the address says, and what is usual for the rest."""
    data = asked.copy()
    page = NewMachine(user, NewMachineForm(data))
    if data.get("source") not in dict.fromkeys(card.value for card in page.form.cards):
        data["source"] = "iso"
    page = NewMachine(user, NewMachineForm(data))
    system = page.form.system or systems.guess(page.form.place[1])
    if system:
        data.setdefault("os", system.name)
    data.setdefault("vcpus", str(system.vcpus if system else 2))
    data.setdefault("memory", f"{(system.memory_bytes if system else 2 * _GIB) / _GIB:g}")
    if "disk_pool" not in data and page.form.source not in ("volume", "xml"):
        add_disk(data, page)
    if "nic_source" not in data and page.form.source != "xml":
        add_nic(data, page)
    return data


def add_disk(data: QueryDict, page: NewMachine) -> None:
    system = page.form.system
    copied = not page.form.disks and page.form.source in ("image", "cloud", "ova")
    data.appendlist("disk_pool", page.choices.pools[0].name if page.choices.pools else "")
    data.appendlist("disk_size", "" if copied and page.form.source != "cloud" else f"{(system.disk_bytes if system else 20 * _GIB) / _GIB:g}")
    data.appendlist("disk_format", "qcow2")
    data.appendlist("disk_bus", "")


def add_nic(data: QueryDict, page: NewMachine) -> None:
    data.appendlist("nic_source", page.choices.networks[0] if page.choices.networks else "")
    data.appendlist("nic_model", "")
    data.appendlist("nic_mac", "")
    if not page.choices.networks:
        for name in ("nic_source", "nic_model", "nic_mac"):
            data.setlist(name, data.getlist(name)[:-1])


def edited(user: User, sent: QueryDict) -> QueryDict:
    """What was sent, with what its button asks for: a disk more, a card less, a size, what a system recommends."""
    data, button = sent.copy(), sent.get("do", "")
    page = NewMachine(user, NewMachineForm(data))
    kind, _dash, number = button.rpartition("-")
    if button == "add-disk":
        add_disk(data, page)
    elif button == "add-nic":
        add_nic(data, page)
    elif kind in ("drop-disk", "drop-nic") and number.isdigit():
        _drop(data, kind.removeprefix("drop-"), int(number))
    elif kind == "size":
        for name, _title, vcpus, memory, _now in page.form.sizes:
            if name == number:
                data["vcpus"], data["memory"] = str(vcpus), str(memory)
    system = page.form.system
    if system and data.get("os") != data.get("os_was", data.get("os")):
        data["vcpus"], data["memory"] = str(system.vcpus), f"{system.memory_bytes / _GIB:g}"
    return data


def _drop(data: QueryDict, kind: str, number: int) -> None:
    for name in [name for name in data if name.startswith(f"{kind}_")]:
        values: list[Any] = data.getlist(name)
        data.setlist(name, values[:number] + values[number + 1 :])
