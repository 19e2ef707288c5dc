"""The making of one machine on its host, step by step. A worker's: every artefact is noted before it is made, and removed if the machine is not.

1. nothing of that name or uuid is there · 2. disks, one after the other · 3. no UEFI variables of somebody else's · 4. the definition
5. the start · 6. the artefacts are the machine's own
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from accounts import secrets as sealing
from hosts.devices.models import HostCapabilities
from hosts.models import Host
from jobs.work import Cancelled, Work
from machines.creation import shape as shaping
from machines.creation.models import VARIABLES, Creation
from machines.creation.order import DiskOrder, Order, Secrets, volume_name
from machines.creation.shape import Ground, shape
from virt import images, lookups, ova, usage, variables, vhdx, vmdk
from virt import machine as virt_machine
from virt import volume as virt_volume
from virt.connection import Connection
from virt.errors import Conflict, HostUnreachable, Invalid, NotFound, OperationFailed, VirtError, WrongState
from virt.reading import Reader
from virt.seed import Seed, build_iso
from virt.state import State
from virt.volume import VolumeSpec
from virt.xml.build.machine import Disk, Nic, build_xml
from virt.xml.build.own import with_identity

_NIC_MODELS = {"e1000": "e1000", "e1000e": "e1000e", "vmxnet3": "vmxnet3", "vmxnet": "vmxnet3", "pcnet32": "pcnet", "virtio": "virtio"}
_SCSI_MODELS = {"virtualscsi": "vmpvscsi", "lsilogicsas": "lsisas1068"}


class Making:
    """One creation, its order, its host's connection, its job."""

    def __init__(self, work: Work, creation: Creation, connection: Connection) -> None:
        self.work, self.creation, self.connection = work, creation, connection
        self.order = Order.of(creation.order)
        self.secrets = _secrets_of(creation)
        self.ground = ground_of(creation.host)
        self._pools: dict[str, str] = {}

    # ── what the sources share ──

    def pool(self, name: str) -> str:
        """The uuid of the pool of that name, which must be on."""
        if name not in self._pools:
            self._pools[name] = lookups.active_pool(self.connection, name)
        return self._pools[name]

    def check(self) -> None:
        """Between two steps: stop when asked to, or when another worker has taken over because this one seemed dead."""
        if self.work.cancelled():
            raise Cancelled
        if self.work.job.claim and not self.work.mine().exists():
            raise OperationFailed("Another worker has taken this over.")

    def name_for(self, part: str, suffix: str) -> str:
        return volume_name(self.creation.name, self.creation.uuid, part, suffix)

    def made(self, pool: str, name: str, make: Callable[[], object]) -> None:
        """Note, then make. One of that name that somebody else has is not ours to remove."""
        self.check()
        if virt_volume.exists(self.connection, pool, name):
            raise Conflict(f"A volume {name} is in the pool already.")
        self.creation.note(pool, name)
        try:
            make()
        except Conflict:
            self.creation.forget(pool, name)
            raise
        self.check()

    def drop(self, pool: str, name: str) -> None:
        """One that was needed on the way only."""
        with contextlib.suppress(NotFound):
            virt_volume.delete(self.connection, pool, name)
        self.creation.forget(pool, name)

    # ── kinds of volumes ──

    def empty(self, disk: DiskOrder, part: str) -> Disk:
        pool, name = self.pool(disk.pool), self.name_for(part, disk.format)
        self.work.phase(f"Making {name} in {disk.pool}")
        self.made(pool, name, lambda: virt_volume.create(self.connection, pool, VolumeSpec(name, disk.size_bytes, disk.format)))
        return self.as_disk(disk.pool, name, disk.format, shaping.bus_of(self.order, disk.bus))

    def as_disk(self, pool_name: str, name: str, format: str, bus: str) -> Disk:
        seen = virt_volume.read(self.connection, self.pool(pool_name), name)
        kind = seen.kind if seen.kind in ("file", "block") else "volume"
        return Disk(kind, seen.path, pool_name, name, "raw" if format == "iso" else format, bus=bus)

    def inspected(self, pool_name: str, name: str) -> tuple[images.Image, Reader]:
        """What the image is by its own header; the reason in words when it is not to be taken."""
        reader = Reader(self.connection, self.pool(pool_name), name)
        return images.inspect(reader.read, reader.size), reader

    def converted(self, pool_name: str, name: str, disk: DiskOrder, part: str, bus: str) -> Disk:
        """An image as a disk of its own in the pool and format that were asked for; the image itself stays as it is."""
        image, reader = self.inspected(pool_name, name)
        if image.format == "ova":
            raise Invalid(f"{name} is an archive of a whole machine: import it as OVA.")
        self.work.log(f"{name} is {image.format}, a disk of {image.virtual_bytes / 2**30:.2f} GiB.")
        if image.format in ("vhdx", "vpc-fixed", "vmdk-split"):
            return self._copied_by_us(image, reader, pool_name, name, disk, part, bus)
        return self._copied_by_host(image, pool_name, name, disk, part, bus)

    def _copied_by_host(self, image: images.Image, pool_name: str, name: str, disk: DiskOrder, part: str, bus: str) -> Disk:
        source, target, new = self.pool(pool_name), self.pool(disk.pool), self.name_for(part, disk.format)
        seen = virt_volume.read(self.connection, source, name)
        if image.format in images.CONVERTED_BY_HOST and seen.format != image.format:
            raise Invalid(f"The host takes {name} for {seen.format or 'raw'}, its own header says {image.format}. Refresh the pool and try again.")
        if image.format in ("raw", "iso") and seen.format not in ("raw", "iso", "", "none", "unknown"):
            raise Invalid(f"The host takes {name} for {seen.format}, which its header does not say. It is not taken.")
        spec = VolumeSpec(new, max(seen.capacity_bytes, image.virtual_bytes), disk.format)
        self.work.phase(f"Copying {name} to {disk.pool} as {disk.format}")
        self.made(target, new, lambda: self._clone(source, name, target, spec))
        self._grow(target, new, disk.size_bytes)
        return self.as_disk(disk.pool, new, disk.format, bus)

    def _clone(self, source: str, name: str, target: str, spec: VolumeSpec) -> None:
        if not virt_volume.clone(self.connection, source, name, target, spec, progress=self.work.progress, cancelled=self.work.cancelled):
            raise Cancelled

    def _copied_by_us(self, image: images.Image, reader: Reader, pool_name: str, name: str, disk: DiskOrder, part: str, bus: str) -> Disk:
        """Formats that libvirt does not know: read here, written to a raw volume there; turned into qcow2 by the host afterwards."""
        target, raw = self.pool(disk.pool), self.name_for(f"{part}-raw" if disk.format != "raw" and part else part or "raw", "raw")
        self.work.phase(f"Copying {name} block by block")
        self.made(target, raw, lambda: virt_volume.create(self.connection, target, VolumeSpec(raw, image.virtual_bytes, "raw")))
        for source, extent in self._extents(image, reader, pool_name, name):
            self.copy(pool_name, source, extent.source, disk.pool, raw, extent.target, extent.length, total=image.virtual_bytes)
        if disk.format == "raw":
            self._grow(target, raw, disk.size_bytes)
            return self.as_disk(disk.pool, raw, "raw", bus)
        new = self.name_for(part, disk.format)
        self.work.phase(f"Turning it into {disk.format}")
        # Its contents may look like another image: the host must see the same as we do, the disk as it is.
        if virt_volume.read(self.connection, target, raw).format not in ("raw", "iso"):
            raise Invalid(f"What is inside {name} looks like an image again. It is not taken.")
        self.made(target, new, lambda: self._clone(target, raw, target, VolumeSpec(new, image.virtual_bytes, disk.format)))
        self.drop(target, raw)
        self._grow(target, new, disk.size_bytes)
        return self.as_disk(disk.pool, new, disk.format, bus)

    def _extents(self, image: images.Image, reader: Reader, pool_name: str, name: str) -> Iterator[tuple[str, vhdx.Extent]]:
        """Volumes of the pool, with what of them goes where on the disk."""
        if image.format == "vmdk-split":
            yield from self._parts(images.vmdk_descriptor(reader.read, reader.size), pool_name)
            return
        extents: Iterable[vhdx.Extent] = [vhdx.Extent(0, 0, image.virtual_bytes)]
        if image.format == "vhdx":
            extents = vhdx.extents(vhdx.read_layout(reader.read, reader.size), reader.read)
        for extent in extents:
            yield name, extent

    def _parts(self, descriptor: vmdk.Descriptor, pool_name: str) -> Iterator[tuple[str, vhdx.Extent]]:
        at = 0
        for part in descriptor.parts:
            if part.name:
                try:
                    reader = Reader(self.connection, self.pool(pool_name), part.name)
                except NotFound as exc:
                    raise Invalid(f"The VMDK names {part.name}, which is not beside it in the pool {pool_name}.") from exc
                for extent in vmdk.extents(part, at, reader.read, reader.size):
                    yield part.name, extent
            at += part.bytes

    def _grow(self, pool: str, name: str, size_bytes: int) -> None:
        if size_bytes > virt_volume.read(self.connection, pool, name).capacity_bytes:
            self.work.log(f"Growing {name} to {size_bytes / 2**30:.1f} GiB.")
            virt_volume.resize(self.connection, pool, name, size_bytes)

    def copy(self, pool: str, name: str, offset: int, to_pool: str, to: str, at: int, length: int, *, total: int, digest: str = "") -> str:
        """A range of one volume into another through this worker; memory: one packet. The digest of what went by, if one was asked for."""
        taken = hashlib.new(digest) if digest else None

        def passing() -> Iterator[bytes]:
            done = 0
            for data in virt_volume.download(self.connection, self.pool(pool), name, offset, length):
                if self.work.cancelled():
                    raise Cancelled
                if taken:
                    taken.update(data)
                done += len(data)
                self.work.progress(min(99.0, 100 * (at + done) / max(1, total)))
                yield data

        sent = virt_volume.upload(self.connection, self.pool(to_pool), to, at, length, passing())
        if sent != length:
            raise OperationFailed(f"Only {sent} of {length} bytes of {name} could be read.")
        return taken.hexdigest() if taken else ""

    def seed_disk(self) -> Disk:
        pool_name = self.order.disks[0].pool
        pool, name, data = self.pool(pool_name), self.name_for("seed", "iso"), build_iso(self._seed())
        self.work.phase("Writing what cloud-init will read")
        self.made(pool, name, lambda: virt_volume.create(self.connection, pool, VolumeSpec(name, len(data), "raw")))
        virt_volume.upload(self.connection, pool, name, 0, len(data), [data])
        disk = self.as_disk(pool_name, name, "raw", "scsi")
        return replace(disk, device="cdrom", readonly=True)

    def _seed(self) -> Seed:
        public = dict(self.order.seed)
        host_name = str(public.get("host_name") or "{name}").replace("{name}", self.creation.name).replace("_", "-")
        return Seed(
            instance_id=self.creation.uuid,
            host_name=host_name,
            user=str(public.get("user", "")),
            password_hash=self.secrets.password_hash,
            ssh_keys=tuple(public.get("ssh_keys", ())),
            packages=tuple(public.get("packages", ())),
            user_data=self.secrets.user_data,
            network=dict(public.get("network", {})),
        )

    # ── sources ──

    def build(self) -> str:
        """Make the disks; the definition's XML."""
        order, makers = self.order, {"volume": self._existing, "image": self._image, "cloud": self._cloud}
        if order.source == "xml":
            return with_identity(self.secrets.xml, self.creation.name, self.creation.uuid)
        if order.source == "ova":
            return self._archive()
        first = makers.get(order.source, list)()
        rest = [self.empty(disk, _part(number)) for number, disk in enumerate(order.disks) if number >= (1 if order.source in ("image", "cloud") else 0)]
        disks = [*first[:1], *rest, *first[1:]]
        if order.source == "iso":
            image, _ = self.inspected(order.pool, order.volume)
            if image.format not in ("iso", "raw"):
                raise Invalid(f"{order.volume} is no ISO image, it is {image.format}.")
            disks.append(replace(self.as_disk(order.pool, order.volume, "raw", "sata"), device="cdrom", readonly=True))
        return build_xml(shape(order, self.ground, self.creation.name, self.creation.uuid, tuple(disks)))

    def _existing(self) -> list[Disk]:
        """As it is; no copy. What its header names must be known to the host's pools."""
        order, pool = self.order, self.pool(self.order.pool)
        users = usage.users_of(self.connection, pool, order.volume)
        if users:
            raise WrongState(f"{order.volume} is used by {', '.join(map(str, users[:5]))}.")
        seen = virt_volume.read(self.connection, pool, order.volume)
        if seen.kind == "file" and not seen.backing_path:
            format = self.inspected(order.pool, order.volume)[0].format
        elif seen.backing_path and lookups.volume_at(self.connection, seen.backing_path) is None:
            raise Invalid(f"{order.volume} holds the differences to {seen.backing_path}, which is in no pool of the host. It is not taken.")
        else:
            format = seen.format or "raw"
        if format not in ("qcow2", "raw", "iso"):
            raise Invalid(f"{order.volume} is {format}: import it as a disk image, which makes a qcow2 of it.")
        return [self.as_disk(order.pool, order.volume, format, shaping.bus_of(order))]

    def _image(self) -> list[Disk]:
        disk = self.order.disks[0]
        return [self.converted(self.order.pool, self.order.volume, disk, "", shaping.bus_of(self.order, disk.bus))]

    def _cloud(self) -> list[Disk]:
        return [*self._image(), self.seed_disk()]

    def _archive(self) -> str:
        """A machine as its archive describes it, on the pool and network of the order."""
        order = self.order
        reader = Reader(self.connection, self.pool(order.pool), order.volume)
        self.work.phase(f"Reading {order.volume}")
        archive = ova.read_archive(reader.read, reader.size)
        where = order.disks[0] if order.disks else DiskOrder(order.pool)
        self.work.log(
            f"{archive.ovf.name or order.volume}: {archive.ovf.vcpus} CPU, {archive.ovf.memory_bytes / 2**30:.2f} GiB, {len(archive.ovf.disks)} disks."
        )
        disks = tuple(self._member(archive, disk, where, number) for number, disk in enumerate(archive.ovf.disks))
        network = order.nics[0] if order.nics else None
        nics = tuple(
            Nic(network.source, "bridge" if network.kind == "bridge" else "network", network.model or _NIC_MODELS.get(nic.model.lower(), "e1000"))
            for nic in archive.ovf.nics
            if network
        )
        taken = replace(order, vcpus=archive.ovf.vcpus, memory_bytes=archive.ovf.memory_bytes, firmware=order.firmware or archive.ovf.firmware)
        return build_xml(shape(taken, self.ground, self.creation.name, self.creation.uuid, disks, nics=nics))

    def _member(self, archive: ova.Archive, disk: ova.OvfDisk, where: DiskOrder, number: int) -> Disk:
        part, bus, controller = _part(number), *_bus_of(disk, where.bus)
        if not disk.file:
            made = self.empty(replace(where, size_bytes=disk.capacity_bytes, bus=bus), part)
            return replace(made, controller=controller)
        member, pool = archive.members[disk.file], self.pool(where.pool)
        staged = self.name_for(f"{part or 'disk'}-import", "raw")
        kind, wanted = archive.digests.get(disk.file, ("", ""))
        self.work.phase(f"Taking {disk.file} out of {self.order.volume}")
        self.made(pool, staged, lambda: virt_volume.create(self.connection, pool, VolumeSpec(staged, member.length, "raw")))
        seen = self.copy(self.order.pool, self.order.volume, member.offset, where.pool, staged, 0, member.length, total=member.length, digest=kind)
        if wanted and seen != wanted:
            raise Invalid(f"{disk.file} is not what the archive's manifest says: the archive is damaged or was changed.")
        made = self.converted(where.pool, staged, replace(where, size_bytes=0), part, bus)
        self.drop(pool, staged)
        return replace(made, controller=controller)

    # ── the whole ──

    def free_variables(self, xml: str) -> None:
        """Its UEFI variables are fresh and its own: libvirt would go on with a file that an earlier machine of its name left, or share another one's."""
        path = variables.place(self.connection, xml)
        if not path:
            return
        variables.refuse_if_owned(self.connection, path, but=self.creation.uuid)
        if not variables.named(xml) and variables.remove(self.connection, path):
            self.work.log(f"Removed {path}, which an earlier machine of this name left.")

    def before_start(self) -> None:
        """Between the definition and the start: for who has more to do."""

    def run(self) -> dict[str, str]:
        self.check()
        self.work.phase("Looking whether the name is free")
        if lookups.machine_taken(self.connection, self.creation.name):
            raise Conflict(f"A machine {self.creation.name} is on {self.creation.host.name} already.")
        xml = self.build()
        self.check()
        self.free_variables(xml)
        self.work.phase("Defining the machine; the first one on a host can take a minute", 99)
        virt_machine.define(self.connection, xml)
        self.before_start()
        if self.order.start:
            self.check()
            self.work.phase("Starting it", 99)
            virt_machine.start(self.connection, self.creation.uuid)
        self.creation.finish()
        return {"uuid": self.creation.uuid}


def clean(creation: Creation, connection: Connection) -> None:
    """Remove from the host whatever was made for a machine that will not be. Raises HostUnreachable when it can't be said that all is gone."""
    if creation.done_at:
        return
    seen = virt_machine.read(connection, creation.uuid)
    if seen is not None:
        if seen.state not in (State.OFF, State.CRASHED):
            virt_machine.force_off(connection, creation.uuid)
        with contextlib.suppress(NotFound):
            virt_machine.undefine(connection, creation.uuid, keep_variables=_brings_variables(creation))
    for item in list(creation.made):
        with contextlib.suppress(NotFound):
            # Somebody may have given it to a machine of theirs, or an original of a linked clone goes on with it: then it is no rubbish.
            # UEFI variables are gone with the definition.
            if item["pool"] != VARIABLES and not usage.users_of(connection, item["pool"], item["volume"]):
                virt_volume.delete(connection, item["pool"], item["volume"])
        creation.forget(item["pool"], item["volume"])


def is_whole(creation: Creation, connection: Connection) -> bool:
    """Whether the machine is there with all that was made for it: each volume is used by a machine, a linked clone's original included."""
    seen = virt_machine.read(connection, creation.uuid)
    if seen is None or (creation.order.get("start") and seen.state != State.RUNNING):
        return False
    if any(item["pool"] == VARIABLES for item in creation.made):
        return False
    try:
        return all(usage.users_of(connection, item["pool"], item["volume"]) for item in creation.made)
    except NotFound:
        return False


def _brings_variables(creation: Creation) -> bool:
    """Somebody's XML may name a file of theirs: that was there before us."""
    return creation.order.get("source") == "xml" and bool(creation.sealed) and bool(variables.named(_secrets_of(creation).xml))


def _secrets_of(creation: Creation) -> Secrets:
    return Secrets(**json.loads(sealing.unseal(creation.sealed))) if creation.sealed else Secrets()


def cleaned_up(making: Making) -> None:
    """After a failure: what can't be removed now is said, and removed by the sweep (machines.creation.tidy)."""
    try:
        clean(making.creation, making.connection)
    except HostUnreachable:
        raise
    except VirtError as exc:
        making.work.log(f"Not everything that was made could be removed yet: {exc}")


def ground_of(host: Host) -> Ground:
    row = HostCapabilities.objects.filter(host=host).first()
    data = row.data if row else {}
    return Ground(host.driver, host.kvm, str(data.get("arch") or host.arch or "x86_64"), tuple(data.get("offers", ())))


def _part(number: int) -> str:
    """The first disk's file has the machine's name alone; the others are numbered."""
    return f"disk{number + 1}" if number else ""


def _bus_of(disk: ova.OvfDisk, wanted: str) -> tuple[str, str]:
    """Bus and controller that the archive's system has a driver for: VMware's own where QEMU has it, else SATA, which every system knows."""
    if wanted:
        return wanted, ""
    model = _SCSI_MODELS.get(disk.model.lower(), "") if disk.controller == "scsi" else ""
    return ("scsi", model) if model else ("sata", "")
