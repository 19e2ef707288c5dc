"""Devices of one host: grouped as they can be given away, filtered by what the address asks for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from hosts.devices import classes, users, verdict
from hosts.devices.models import Device, Kind
from hosts.devices.users import Use
from hosts.devices.verdict import Verdict
from hosts.models import Host
from hosts.readiness.report import Line, Report

_LONGEST_SEARCH = 200
_SHOWN = {
    "": _lazy("All"),
    "pci": _lazy("PCI"),
    "usb": _lazy("USB"),
    "sriov": _lazy("SR-IOV"),
    "mdev": _lazy("Mediated"),
    "free": _lazy("Free"),
    "used": _lazy("In use"),
}


def count_of(host: Host) -> int:
    """For the badge of the host's tab: without bridges and hubs."""
    return sum(1 for device in Device.objects.filter(host=host).only("kind", "bridge", "vendor_id") if not verdict.is_grey(device))


@dataclass(frozen=True)
class Query:
    """`show`: a key of _SHOWN; `all`: bridges and hubs too."""

    text: str = ""
    show: str = ""
    all: bool = False

    @classmethod
    def of(cls, asked: QueryDict) -> Query:
        show = asked.get("show", "")
        return cls(asked.get("q", "").strip()[:_LONGEST_SEARCH], show if show in _SHOWN else "", asked.get("all") == "1")

    def url(self, **changes: Any) -> str:
        changed = replace(self, **changes)
        given = (("q", changed.text), ("show", changed.show), ("all", "1" if changed.all else ""))
        return "?" + urlencode([(name, value) for name, value in given if value])


@dataclass(frozen=True)
class Row:
    device: Device
    verdict: Verdict
    uses: list[Use]
    children: int = 0  # mediated devices made of it

    @property
    def address(self) -> str:
        return verdict.short(self.device.address)

    @property
    def name(self) -> str:
        """ "Mellanox Technologies MT28908 Family [ConnectX-6]", or its ids where the host has no list of names."""
        device = self.device
        names = " ".join(dict.fromkeys(name for name in (device.vendor, device.product) if name))
        return names or device.mdev_type or self.ids or device.name

    @property
    def ids(self) -> str:
        return f"{self.device.vendor_id}:{self.device.product_id}" if self.device.vendor_id else ""

    @property
    def kind(self) -> str:
        if self.device.kind == Kind.PCI:
            return classes.word(self.device.class_code) or _("PCI device")
        return str(Kind(self.device.kind).label)

    @property
    def function(self) -> str:
        """What it is in SR-IOV, "" when nothing."""
        device = self.device
        if device.physical_function:
            return _("virtual function of %(address)s") % {"address": verdict.short(device.physical_function)}
        if device.most_functions or device.virtual_functions:
            return _("%(n)d of %(most)d virtual functions") % {
                "n": len(device.virtual_functions),
                "most": max(device.most_functions, len(device.virtual_functions)),
            }
        return ""

    @property
    def details(self) -> list[str]:
        """Beside its name, short."""
        device = self.device
        part_of = _("%(type)s of %(address)s") % {"type": device.mdev_type, "address": verdict.short(device.parent)} if device.parent else ""
        numa = f"NUMA {device.numa_node}" if device.numa_node is not None and device.numa_node >= 0 else ""
        return [text for text in (self.ids if self.ids != self.name else "", self.function, part_of, numa) if text]

    @property
    def is_sriov(self) -> bool:
        return bool(self.function)

    @property
    def types(self) -> list[dict[str, Any]]:
        """Of mediated devices that can be made of it: id, name, api, available."""
        found: list[dict[str, Any]] = self.device.mdev_types
        return found

    @property
    def words(self) -> str:
        """What a search looks at."""
        device = self.device
        uses = " ".join(use.name for use in self.uses)
        return " ".join((device.address, self.name, self.ids, self.kind, device.driver, self.function, uses, *device.holds, device.mdev_type)).lower()


@dataclass(frozen=True)
class Group:
    """Rows that stand together. `together`: they can only be given away together."""

    title: str
    rows: list[Row]
    together: bool = False


class Devices:
    """What a page shows of one host. Three queries, however many devices."""

    def __init__(self, host: Host, query: Query) -> None:
        self.host, self.query = host, query

    @cached_property
    def everything(self) -> list[Row]:
        devices = list(Device.objects.filter(host=self.host).order_by("kind", "address", "pk"))
        uses = users.of_host(self.host.pk, devices)
        groups: defaultdict[int, list[Device]] = defaultdict(list)
        for device in devices:
            if device.kind == Kind.PCI and device.iommu_group is not None:
                groups[device.iommu_group].append(device)
        split = Counter(device.parent for device in devices if device.kind == Kind.MDEV)
        rows = []
        for device in devices:
            group = groups[device.iommu_group] if device.iommu_group is not None else []
            parts = split[device.address] if device.kind == Kind.PCI else 0
            given = uses.get(device.pk, [])
            rows.append(Row(device, verdict.of(device, group, given, parts), given, parts))
        return rows

    @cached_property
    def _visible(self) -> list[Row]:
        return [row for row in self.everything if self.query.all or not verdict.is_grey(row.device)]

    @property
    def total(self) -> int:
        return len(self.everything)

    @property
    def hidden(self) -> int:
        return 0 if self.query.all else self.total - len(self._visible)

    @cached_property
    def rows(self) -> list[Row]:
        words = self.query.text.lower().split()
        return [row for row in self._visible if _fits(row, self.query.show) and all(word in row.words for word in words)]

    @cached_property
    def groups(self) -> list[Group]:
        """PCI devices that go together, those that go alone, those that can't go; then USB, then mediated devices."""
        return [group for group in self._groups() if group.rows]

    @cached_property
    def _endpoints(self) -> dict[int, list[Row]]:
        """Number of an IOMMU group → what of it could be given away, whatever is filtered."""
        found: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self.everything:
            if row.device.kind == Kind.PCI and row.device.iommu_group is not None and not row.device.bridge:
                found[row.device.iommu_group].append(row)
        return found

    def _groups(self) -> Iterator[Group]:
        pci = [row for row in self.rows if row.device.kind == Kind.PCI]
        by_number: defaultdict[int, list[Row]] = defaultdict(list)
        for row in pci:
            if row.device.iommu_group is not None:
                by_number[row.device.iommu_group].append(row)
        alone = []
        for number in sorted(by_number):
            if len(self._endpoints.get(number, ())) > 1:
                yield Group(_("IOMMU group %(n)d") % {"n": number}, by_number[number], together=True)
            else:
                alone += by_number[number]
        yield Group(_("Each in an IOMMU group of its own"), sorted(alone, key=lambda row: row.device.address))
        yield Group(_("PCI devices in no IOMMU group"), [row for row in pci if row.device.iommu_group is None])
        yield Group(_("USB devices"), [row for row in self.rows if row.device.kind == Kind.USB])
        yield Group(_("Mediated devices"), [row for row in self.rows if row.device.kind == Kind.MDEV])

    @cached_property
    def choices(self) -> list[dict[str, Any]]:
        """The filters with how many each has; those that have none are left out, unless chosen."""
        counts = {show: sum(_fits(row, show) for row in self._visible) for show in _SHOWN}
        return [
            {"title": title, "number": counts[show], "url": self.query.url(show=show), "chosen": show == self.query.show}
            for show, title in _SHOWN.items()
            if counts[show] or show in ("", self.query.show)
        ]

    @property
    def has_pci(self) -> bool:
        return any(row.device.kind == Kind.PCI for row in self.everything)

    @cached_property
    def no_iommu(self) -> bool:
        """There are PCI devices, and none of them in a group."""
        return self.has_pci and all(row.device.iommu_group is None for row in self.everything if row.device.kind == Kind.PCI)

    @cached_property
    def iommu(self) -> Line | None:
        """What the readiness of the host says of it."""
        return next((line for line in Report(self.host).to_fix if line.name == "iommu"), None)


def _fits(row: Row, show: str) -> bool:
    if show in ("pci", "usb"):
        return row.device.kind == show
    if show == "mdev":
        return row.device.kind == Kind.MDEV or bool(row.device.mdev_types)
    if show == "sriov":
        return row.is_sriov
    if show in ("free", "used"):
        return row.verdict.state == show
    return True
