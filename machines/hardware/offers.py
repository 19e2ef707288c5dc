"""What a machine's host has to offer to it: volumes, networks, boards, CPU models; and what others use of it already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.utils.translation import gettext as _

from hosts.networks.listing import mode_word
from hosts.networks.models import Network
from live.templatetags.wv import bytes_plain
from machines.models import Machine

_MOST = 500


@dataclass(frozen=True)
class Volume:
    """`name` as "pool/volume"; `path` "" where it has none on the host."""

    name: str
    path: str
    format: str
    size_bytes: int
    backing_path: str

    @property
    def is_iso(self) -> bool:
        return self.format == "iso" or self.name.lower().endswith(".iso")

    @property
    def is_medium(self) -> bool:
        return self.is_iso or self.name.lower().endswith((".img", ".vfd"))


class Offers:
    """Of one machine's host; each list is read at its first use."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._host = machine.host

    @cached_property
    def volumes(self) -> list[Volume]:
        model = apps.all_models["storage"].get("volume")
        if model is None:
            return []
        rows = model._default_manager.filter(pool__host_id=self._host.pk, pool__gone_at=None)
        names = ("pool__name", "name", "path", "format", "capacity_bytes", "backing_path")
        found = rows.order_by("pool__name", "name").values_list(*names)
        return [Volume(f"{pool}/{name}", path, kind, size, backing) for pool, name, path, kind, size, backing in found]

    @cached_property
    def _used(self) -> set[str]:
        """What disks of the host's machines are made of, and volumes that others stand on."""
        lists = Machine.objects.filter(host_id=self._host.pk, gone_at=None).values_list("disks", flat=True)
        return {str(disk.get("source")) for disks in lists for disk in disks} | {volume.backing_path for volume in self.volumes} - {""}

    @cached_property
    def networks(self) -> list[str]:
        return sorted(str(network.get("name", "")) for network in self._host.networks)

    @cached_property
    def _network_rows(self) -> list[Network]:
        return list(Network.objects.filter(host_id=self._host.pk, gone_at=None).only("name", "mode", "active", "addresses", "vlan", "portgroups"))

    def _network_words(self, name: str) -> str:
        """What it is, beside its name: NAT, 192.168.122.0/24."""
        row = next((row for row in self._network_rows if row.name == name), None)
        if row is None:
            return name
        parts = [mode_word(row.mode), *(str(address["network"]) for address in row.addresses), *([f"VLAN {row.vlan}"] if row.vlan else [])]
        return ", ".join([*parts, *([] if row.active else [_("off")])])

    @cached_property
    def portgroups(self) -> list[tuple[str, str]]:
        """(name, of which networks)."""
        found: dict[str, list[str]] = {}
        for row in self._network_rows:
            for name in row.portgroups:
                found.setdefault(str(name), []).append(row.name)
        return [(name, ", ".join(networks)) for name, networks in sorted(found.items())]

    @cached_property
    def bridges(self) -> list[str]:
        return sorted({str(network.get("bridge", "")) for network in self._host.networks} - {""})

    @cached_property
    def _offer(self) -> dict[str, Any]:
        """The host's domain capabilities for the machine's own kind of virtualisation; {} while they are not known."""
        try:
            found = self._host.offers.offer(virt_type=self._machine.virt_type) or self._host.offers.offer()
        except (AttributeError, ObjectDoesNotExist):
            return {}
        return found or {}

    @cached_property
    def cpu_models(self) -> list[str]:
        return [str(model["name"]) for model in self._offer.get("models", []) if model.get("usable") is not False]

    @cached_property
    def machine_types(self) -> list[str]:
        """Boards of the machine's own family: another one needs other slots for every device."""
        try:
            boards = self._host.offers.data.get("boards", [])
        except (AttributeError, ObjectDoesNotExist):
            return []
        family = "q35" if "q35" in self._machine.machine_type else "i440fx" if "i440fx" in self._machine.machine_type else ""
        return [str(board["canonical"]) for board in boards if family in str(board["canonical"])][:60]

    def of(self, name: str) -> list[tuple[str, str]]:
        """(value, words) for a field that says `offers`."""
        if name == "volumes":
            free = [volume for volume in self.volumes if not volume.is_iso and not {volume.name, volume.path} & self._used]
            return [(volume.name, _volume_words(volume)) for volume in free[:_MOST]]
        if name == "media":
            return [(volume.name, _volume_words(volume)) for volume in self.volumes if volume.is_medium][:_MOST]
        if name == "networks":
            return [*((network, self._network_words(network)) for network in self.networks), *((bridge, _("bridge")) for bridge in self.bridges)]
        if name == "portgroups":
            return self.portgroups
        lists: dict[str, Callable[[], list[str]]] = {
            "cpu-models": lambda: self.cpu_models,
            "machine-types": lambda: self.machine_types,
        }
        return [(value, value) for value in lists[name]()] if name in lists else []

    # ── volumes, by either of their names ──

    def path_of(self, source: str) -> str:
        """The path of "pool/volume" where it has one; any other source as it is."""
        volume = self.volume(source)
        return volume.path if volume and volume.path.startswith("/") else source

    def volume(self, source: str) -> Volume | None:
        return self._by_name.get(source)

    @cached_property
    def _by_name(self) -> dict[str, Volume]:
        return {name: volume for volume in self.volumes for name in (volume.name, volume.path) if name}

    def in_pool(self, path: str) -> bool:
        """A volume of a pool whose chain leads nowhere else on the host."""
        seen: set[str] = set()
        while path and path not in seen:
            seen.add(path)
            volume = self.volume(path)
            if volume is None:
                return False
            path = volume.backing_path
        return True

    def users_of(self, source: str, *, as_disk: bool) -> list[str]:
        """Names of other machines of the host that use it, and of volumes that stand on it. A medium may be in many drives."""
        volume = self.volume(source)
        same = {source} | ({volume.name, volume.path} if volume else set())
        others = Machine.objects.filter(host_id=self._host.pk, gone_at=None).exclude(pk=self._machine.pk).values_list("name", "disks")
        found = [name for name, disks in others if any(_uses(disk, same, as_disk=as_disk) for disk in disks)]
        above = [other.name for other in self.volumes if volume and volume.path and other.backing_path == volume.path] if as_disk else []
        return sorted(found) + above


def _uses(disk: dict[str, Any], sources: set[str], *, as_disk: bool) -> bool:
    return disk.get("source") in sources and bool(disk.get("source")) and (as_disk or disk.get("device") in ("disk", "lun"))


def _volume_words(volume: Volume) -> str:
    return f"{volume.format}, {bytes_plain(volume.size_bytes)}" if volume.size_bytes else volume.format
