"""The facts for the rules, from rows: few queries, however many machines and hosts are meant. Nothing here reaches a host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery, Sum
from lxml import etree

from hosts.devices.models import HostCapabilities
from hosts.models import Host
from hosts.networks.models import Network
from hosts.storage.models import Pool, Volume
from jobs.models import ACTIVE, Job
from jobs.models import State as JobState
from machines.hardware.models import LiveDefinition
from machines.migration import ways
from machines.migration.checks.facts import Case, Drive, Guest, Link, Place, Reach, Shelf, Store, Way
from machines.migration.models import Move
from machines.models import ACTIVE_STATES, Definition, Machine
from machines.snapshots.models import Snapshot
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.read import read_definition

# Kinds of pools whose source is the same store for every host that names it.
SHARED_KINDS = ("netfs", "rbd", "iscsi", "iscsi-direct", "gluster", "sheepdog", "scsi", "mpath")
_HOST_COLUMNS = ("pk", "name", "host_uuid", "state", "driver", "arch", "kvm", "cpu_model", "memory_bytes", "memory_used_bytes", "libvirt_version",
                 "hypervisor_version", "networks")  # fmt: skip


class Ground:
    """Some hosts and some machines, with what the rows tell of them. `reached`: (source id, target id) → the last try."""

    def __init__(self, hosts: Iterable[Host], machines: Sequence[Machine], reached: Mapping[tuple[int, int], Reach] | None = None) -> None:
        self.hosts = {host.pk: host for host in hosts}
        self.machines = {machine.pk: machine for machine in machines}
        self.reached = reached or {}

    def case(self, guest: Guest, target_id: int, way: Way | None = None, *, target: Place | None = None) -> Case:
        """`way` None: the usual one. `target`: the host as it will be, where more machines are on their way to it."""
        target = target or self.places[target_id]
        stores = {drive.target: self._store(guest, drive, target) for drive in guest.drives}
        reach = self.reached.get((guest.host_id, target_id), Reach())
        if reach.works is not False and target_id not in self._callable:
            reach = Reach(False, f"Nobody knows how other hosts reach {target.name}. Set its migration address.")
        return Case(guest, self.places[guest.host_id], target, usual_way(guest, target, stores) if way is None else way, reach, stores)

    @cached_property
    def guests(self) -> dict[int, Guest]:
        return {pk: self._guest(machine) for pk, machine in self.machines.items()}

    @cached_property
    def places(self) -> dict[int, Place]:
        return {pk: self._place(host) for pk, host in self.hosts.items()}

    @cached_property
    def _callable(self) -> set[int]:
        """Hosts of which is known by which address other hosts call them."""
        return {pk for pk, host in self.hosts.items() if ways.libvirt_uri(host)}

    # ── machines ──

    def _guest(self, machine: Machine) -> Guest:
        kept, inside = self._snapshots.get(machine.pk, (0, 0))
        usual: dict[str, Any] = {
            "id": machine.pk, "name": machine.name, "uuid": machine.uuid, "host_id": machine.host_id, "running": machine.is_active,
            "memory_bytes": machine.memory_bytes, "vcpus": machine.vcpus, "persistent": machine.persistent, "saved": machine.has_saved_image,
            "snapshots": kept, "inside": inside, "busy": self._busy.get(machine.pk, ""),
        }  # fmt: skip
        try:
            return Guest(**usual, **self._hardware(machine, self._xml.get(machine.pk, "")))
        except Invalid:
            return Guest(**usual, known=False, drives=tuple(self._drive(machine.host_id, disk) for disk in machine.disks if disk.get("source")))

    def _hardware(self, machine: Machine, xml: str) -> dict[str, Any]:
        read, root = read_definition(xml), tree.parse(xml)
        disks = [
            {"target": disk.target, "device": disk.device, "kind": disk.kind, "source": disk.source, "pool": disk.pool, "volume": disk.volume,
             "format": disk.format, "cache": disk.cache, "readonly": disk.readonly, "backing_source": disk.backing_source}
            for disk in read.disks if disk.source
        ]  # fmt: skip
        return {
            "virt_type": read.virt_type,
            "arch": read.arch,
            "board": read.machine,
            "cpu_mode": read.cpu_mode,
            "cpu_model": read.cpu_model,
            "drives": tuple(self._drive(machine.host_id, disk) for disk in disks),
            "links": tuple(Link(nic.kind, nic.source) for nic in read.nics),
            "host_devices": tuple(_host_devices(root)),
            "file_systems": tuple(_file_systems(root)),
            "shared_memory": root.find("devices/shmem") is not None,
            "tpm": _attribute(root, "devices/tpm/backend", "type"),
            "nvram": read.boot.nvram,
            "kernel": read.boot.kernel,
        }

    def _drive(self, host_id: int, disk: Mapping[str, Any]) -> Drive:
        source = str(disk.get("source", ""))
        volume = self._volume_of(host_id, disk)
        return Drive(
            target=str(disk.get("target", "")),
            device=str(disk.get("device", "disk")),
            kind=str(disk.get("kind", "file")),
            source=volume.path if volume and disk.get("pool") else source,
            pool=volume.pool.name if volume else "",
            size_bytes=volume.capacity_bytes if volume else 0,
            cache=str(disk.get("cache", "")),
            format=str(disk.get("format", "")),
            readonly=bool(disk.get("readonly")),
            backed=bool(disk.get("backing_source")),
        )

    def _volume_of(self, host_id: int, disk: Mapping[str, Any]) -> Volume | None:
        if disk.get("pool"):
            return self._volumes_by_name.get((host_id, str(disk["pool"]), str(disk.get("volume", ""))))
        return self._volumes.get((host_id, str(disk.get("source", ""))))

    @cached_property
    def _xml(self) -> dict[int, str]:
        """What is in force: of a running machine that was changed, the running one."""
        newest = Definition.objects.filter(machine=OuterRef("machine")).order_by("-id").values("pk")[:1]
        found = dict(Definition.objects.filter(machine__in=self.machines, pk=Subquery(newest)).values_list("machine_id", "xml"))
        active = [pk for pk, machine in self.machines.items() if machine.is_active]
        return found | dict(LiveDefinition.objects.filter(machine__in=active).values_list("machine_id", "xml"))

    @cached_property
    def _snapshots(self) -> dict[int, tuple[int, int]]:
        rows = Snapshot.objects.filter(machine__in=self.machines).order_by().values_list("machine_id")
        return {pk: (kept, inside) for pk, kept, inside in rows.annotate(kept=Count("pk"), within=Count("pk", filter=Q(kind="internal")))}

    @cached_property
    def _busy(self) -> dict[int, str]:
        jobs = Job.objects.filter(subject_type="machine", subject_id__in=self.machines, changing=True, state__in=ACTIVE)
        return {job.subject_id: f"{job.title}, asked by {job.asked_by_name or 'WebVirt'}." for job in jobs}

    # ── hosts ──

    def _place(self, host: Host) -> Place:
        data = self._offers.get(host.pk, {})
        brief = [(str(each["name"]), str(each.get("bridge", ""))) for each in host.networks if each.get("active")]
        networks = self._networks[host.pk] or brief  # of a host that was just added there are no rows yet
        return Place(
            id=host.pk,
            name=host.name,
            host_uuid=host.host_uuid,
            online=host.is_online,
            maintenance=host.in_maintenance,
            driver=host.driver,
            arch=host.arch,
            emulates=frozenset(data.get("others", ())),
            kvm=host.kvm,
            cpu=host.cpu_model,
            memory_bytes=host.memory_bytes,
            free_bytes=host.memory_bytes - max(host.memory_used_bytes or 0, self._allocated.get(host.pk, 0)),
            libvirt_version=host.libvirt_version,
            qemu_version=host.hypervisor_version,
            boards=frozenset(name for board in data["boards"] for name in (board["name"], board["canonical"])) if data.get("boards") else None,
            cpu_models=_cpu_models(data),
            host_model=next((str(offer["host_model"]) for offer in data.get("offers", ()) if offer.get("host_model")), ""),
            pools=tuple(
                Shelf(pool.name, pool.kind, pool.path, pool.source, pool.is_active and host.is_online, pool.available_bytes)
                for pool in self._pools[host.pk]
            ),
            networks=frozenset(name for name, _ in networks),
            bridges=frozenset(bridge for _, bridge in networks if bridge),
            machines=self._names[host.pk],
        )  # fmt: skip

    @cached_property
    def _networks(self) -> defaultdict[int, list[tuple[str, str]]]:
        """Active ones by host: name and bridge."""
        found: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
        for host_id, name, bridge in Network.objects.filter(host__in=self.hosts, gone_at=None, active=True).values_list("host_id", "name", "bridge"):
            found[host_id].append((name, bridge))
        return found

    @cached_property
    def _offers(self) -> dict[int, dict[str, Any]]:
        return dict(HostCapabilities.objects.filter(host__in=self.hosts).values_list("host_id", "data"))

    @cached_property
    def _allocated(self) -> dict[int, int]:
        running = Machine.objects.filter(host__in=self.hosts, gone_at=None, state__in=ACTIVE_STATES).order_by().values_list("host_id")
        return {pk: memory or 0 for pk, memory in running.annotate(Sum("memory_bytes"))}

    @cached_property
    def _names(self) -> defaultdict[int, dict[str, str]]:
        found: defaultdict[int, dict[str, str]] = defaultdict(dict)
        names = [machine.name for machine in self.machines.values()]
        uuids = [machine.uuid for machine in self.machines.values()]
        rows = Machine.objects.filter(host__in=self.hosts, gone_at=None).filter(Q(name__in=names) | Q(uuid__in=uuids))
        for host_id, name, uuid in rows.values_list("host_id", "name", "uuid"):
            found[host_id][name] = uuid
        return found

    # ── storage ──

    @cached_property
    def _pools(self) -> defaultdict[int, list[Pool]]:
        found: defaultdict[int, list[Pool]] = defaultdict(list)
        for pool in Pool.objects.filter(host__in=self.hosts, gone_at=None).defer("xml").order_by("name"):
            found[pool.host_id].append(pool)
        return found

    @cached_property
    def _sources(self) -> set[str]:
        return {str(disk["source"]) for machine in self.machines.values() for disk in machine.disks if disk.get("source")}

    @cached_property
    def _volumes(self) -> dict[tuple[int, str], Volume]:
        """(host, path) → the volume there, of all that the machines' disks name."""
        rows = Volume.objects.filter(pool__host__in=self.hosts, pool__gone_at=None, path__in=self._sources | self._named_paths)
        return {(volume.pool.host_id, volume.path): volume for volume in rows.select_related("pool").defer("pool__xml")}

    @cached_property
    def _volumes_by_name(self) -> dict[tuple[int, str, str], Volume]:
        """(host, pool, name) → the volume, for disks that name theirs so."""
        wanted = {(disk["pool"], disk.get("volume", "")) for machine in self.machines.values() for disk in machine.disks if disk.get("pool")}
        if not wanted:
            return {}
        rows = Volume.objects.filter(
            pool__host__in=self.hosts, pool__gone_at=None, pool__name__in={pool for pool, _ in wanted}, name__in={name for _, name in wanted}
        )
        return {(volume.pool.host_id, volume.pool.name, volume.name): volume for volume in rows.select_related("pool").defer("pool__xml")}

    @cached_property
    def _named_paths(self) -> set[str]:
        return {volume.path for volume in self._volumes_by_name.values()}

    @cached_property
    def _left_behind(self) -> set[tuple[int, str, str]]:
        """(host, machine's uuid, path) of disks that a move of ours copied from there: what lies there still is as old as that."""
        uuids = {machine.uuid for machine in self.machines.values()}
        moves = Move.objects.filter(source__in=self.hosts, uuid__in=uuids, job__state=JobState.DONE).only("source_id", "uuid", "kept")
        return {(move.source_id, move.uuid, copy[0]) for move in moves for copy in move.kept.get("copies", {}).values()}

    def _store(self, guest: Guest, drive: Drive, target: Place) -> Store:
        if drive.kind == "network":
            return Store.SHARED
        mine = self._volumes.get((guest.host_id, drive.source))
        theirs = self._volumes.get((target.id, drive.source))
        if mine and theirs and theirs.pool.is_active:
            same = mine.pool.kind == theirs.pool.kind and mine.pool.source == theirs.pool.source
            if same and mine.pool.kind in SHARED_KINDS and mine.pool.source:
                return Store.SHARED
            if mine.capacity_bytes != theirs.capacity_bytes or mine.pool.capacity_bytes != theirs.pool.capacity_bytes:
                return Store.LOCAL
            return Store.LOCAL if (target.id, guest.uuid, drive.source) in self._left_behind else Store.SEEN
        if drive.is_medium:
            if theirs and theirs.pool.is_active:
                return Store.SEEN
            folder = drive.source.rpartition("/")[0]
            return Store.LOCAL if any(pool.active and pool.path == folder for pool in target.pools) else Store.UNKNOWN
        return Store.LOCAL if mine else Store.UNKNOWN


def usual_way(guest: Guest, target: Place, stores: Mapping[str, Store]) -> Way:
    """Disks that the target sees are used where they lie; others go to the pool of the same name, else to the roomiest."""
    copies = {}
    for drive in guest.disks:
        if stores.get(drive.target) == Store.LOCAL and (pool := _pool_for(drive, target)):
            copies[drive.target] = pool
    return Way(copies)


def _pool_for(drive: Drive, target: Place) -> str:
    fitting = [pool for pool in target.pools if pool.active and pool.kind in ("dir", "fs", "netfs", "logical", "zfs")]
    if any(pool.name == drive.pool for pool in fitting):
        return drive.pool
    roomiest = max(fitting, key=lambda pool: pool.free_bytes, default=None)
    return roomiest.name if roomiest else ""


def _cpu_models(data: Mapping[str, Any]) -> dict[str, frozenset[str]] | None:
    """By virtualisation, named models that are usable there, or of which libvirt can't tell."""
    found: dict[str, frozenset[str]] = {}
    for offer in data.get("offers", ()):
        usable = frozenset(str(model["name"]) for model in offer.get("models", ()) if model.get("usable") is not False)
        found[offer["virt_type"]] = found.get(offer["virt_type"], frozenset()) | usable
    return found or None


def _host_devices(root: etree._Element) -> Iterable[str]:
    """Words for each device of the host, also network cards of that kind; USB redirection is none."""
    for node in root.iterfind("devices/hostdev"):
        yield f"{_attribute(node, '.', 'type').upper()} {_address(node.find('source'))}".strip()
    for node in root.iterfind("devices/interface[@type='hostdev']"):
        yield f"network card {_address(node.find('source'))}".strip()


def _address(source: etree._Element | None) -> str:
    if source is None:
        return ""
    at = source.find("address")
    if at is not None and at.get("slot"):
        parts = [int(at.get(name, "0"), 16) for name in ("domain", "bus", "slot", "function")]
        return f"{parts[0]:04x}:{parts[1]:02x}:{parts[2]:02x}.{parts[3]:x}"
    if at is not None and at.get("uuid"):
        return str(at.get("uuid"))
    vendor, product = source.find("vendor"), source.find("product")
    if vendor is not None and product is not None:
        return f"{vendor.get('id', '')[2:]}:{product.get('id', '')[2:]}"
    return ""


def _file_systems(root: etree._Element) -> Iterable[tuple[str, str]]:
    for node in root.iterfind("devices/filesystem"):
        kind = "virtiofs" if _attribute(node, "driver", "type") == "virtiofs" else "9p"
        yield kind, _attribute(node, "source", "dir") or _attribute(node, "target", "dir")


def _attribute(node: etree._Element, path: str, name: str) -> str:
    found = node.find(path)
    return "" if found is None else str(found.get(name, ""))
