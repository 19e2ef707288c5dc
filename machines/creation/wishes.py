"""From what a form or a request holds to orders: the one place where what people type is checked, the same for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from machines.creation import systems
from machines.creation.order import FROM_VOLUME, SOURCES, DiskOrder, NicOrder, Order, Secrets, Source
from virt import names as volume_names
from virt import passwords, seed
from virt.errors import Invalid
from virt.xml.build.machine import MAC
from virt.xml.build.own import with_identity
from virt.xml.build.volume import MOST_BYTES

_MIB, _GIB = 2**20, 2**30
BUSES = ("", "virtio", "scsi", "sata", "ide", "usb")
NIC_MODELS = ("", "virtio", "e1000e", "e1000", "rtl8139", "vmxnet3")
_MOST_DISKS, _MOST_NICS = 20, 20


class Wrong(Exception):
    """What makes no sense, by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class Wish:
    """What was typed, with the types that a form or JSON gives it."""

    source: str = "empty"
    pool: str = ""
    volume: str = ""
    os: str = ""
    vcpus: int = 0
    memory_bytes: int = 0
    disks: Sequence[Mapping[str, Any]] = ()
    nics: Sequence[Mapping[str, Any]] = ()
    title: str = ""
    virt_type: str = ""
    cpu: str = ""
    board: str = ""
    firmware: str = ""
    tpm: bool = False
    start: bool = True
    host_name: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    ssh_keys: Sequence[str] = ()
    packages: Sequence[str] = ()
    network: Mapping[str, Any] = field(default_factory=dict)
    user_data: str = field(default="", repr=False)
    xml: str = field(default="", repr=False)


def order_of(wish: Wish, *, hash_password: bool = True) -> tuple[Order, Secrets]:
    """Raises Wrong. `hash_password` False for a preview, which needs none."""
    errors: dict[str, str] = {}
    if wish.source not in SOURCES:
        raise Wrong({"source": "There is no such source."})
    _check_source(wish, errors)
    disks, nics = _disks(wish, errors), _nics(wish, errors)
    system = systems.get(wish.os)
    order = Order(
        source=cast(Source, wish.source),
        pool=wish.pool,
        volume=wish.volume if wish.source in FROM_VOLUME else "",
        vcpus=wish.vcpus or (system.vcpus if system else 2),
        memory_bytes=wish.memory_bytes or (system.memory_bytes if system else 2 * _GIB),
        disks=disks,
        nics=nics,
        os=wish.os if system else "",
        title=wish.title,
        virt_type=wish.virt_type,
        cpu=wish.cpu,
        board=wish.board,
        firmware=wish.firmware,
        tpm=wish.tpm,
        start=wish.start,
        seed=_seed(wish, errors) if wish.source == "cloud" else {},
    )
    _check_sizes(order, wish, errors)
    secrets = _secrets(wish, errors, hash_password=hash_password)
    if errors:
        raise Wrong(errors)
    return order, secrets


def _check_source(wish: Wish, errors: dict[str, str]) -> None:
    if wish.source in FROM_VOLUME and not (wish.pool and wish.volume):
        errors["volume"] = "Choose what it starts from."
    if wish.source == "xml":
        with _into(errors, "xml"):
            with_identity(wish.xml, "name", "00000000-0000-0000-0000-000000000000")


def _check_sizes(order: Order, wish: Wish, errors: dict[str, str]) -> None:
    if not 1 <= order.vcpus <= 1024:
        errors["vcpus"] = "1 to 1024."
    if not 16 * _MIB <= order.memory_bytes <= 64 * 2**40:
        errors["memory"] = "16 MiB to 64 TiB."
    if order.firmware not in ("", "bios", "efi", "secure"):
        errors["firmware"] = "bios, efi or secure."
    if order.virt_type not in ("", "kvm", "qemu"):
        errors["virt_type"] = "kvm or qemu."
    for name in ("title", "cpu", "board"):
        if not getattr(order, name).isprintable() or len(getattr(order, name)) > 100:
            errors[name] = "One line of at most 100 characters."
    if order.source in ("image", "cloud") and not order.disks:
        errors["disks"] = "It needs a disk to be copied to."


def _disks(wish: Wish, errors: dict[str, str]) -> tuple[DiskOrder, ...]:
    found = []
    for number, disk in enumerate(wish.disks[: _MOST_DISKS + 1]):
        size, copied = int(disk.get("size_bytes") or 0), number == 0 and wish.source in ("image", "cloud", "ova")
        if not disk.get("pool"):
            errors["disks"] = "Choose a pool for each disk."
            continue
        with _into(errors, "disks"):
            volume_names.pool_name(str(disk.get("pool", "")))
            if not (0 if copied else _MIB) <= size <= MOST_BYTES:
                raise Invalid("A disk has 1 MiB to 64 TiB.")
            if disk.get("format", "qcow2") not in ("qcow2", "raw") or disk.get("bus", "") not in BUSES:
                raise Invalid("A disk is qcow2 or raw, on virtio, scsi, sata, ide or usb.")
            found.append(DiskOrder(str(disk["pool"]), size, str(disk.get("format") or "qcow2"), str(disk.get("bus") or "")))
    if len(wish.disks) > _MOST_DISKS:
        errors["disks"] = f"At most {_MOST_DISKS} disks."
    return tuple(found)


def _nics(wish: Wish, errors: dict[str, str]) -> tuple[NicOrder, ...]:
    found = []
    for nic in wish.nics[:_MOST_NICS]:
        kind, source, mac = str(nic.get("kind") or "network"), str(nic.get("source", "")), str(nic.get("mac") or "").lower()
        if kind not in ("network", "bridge") or not source or len(source) > 200 or not source.isprintable() or (nic.get("model") or "") not in NIC_MODELS:
            errors["nics"] = "Each card has a network or a bridge of the host."
        elif mac and (not MAC.fullmatch(mac) or int(mac[:2], 16) & 1):
            errors["nics"] = f"{mac[:40]} is not the MAC address of a card."
        else:
            found.append(NicOrder(source, kind, str(nic.get("model") or ""), mac))
    return tuple(found)


def _seed(wish: Wish, errors: dict[str, str]) -> dict[str, Any]:
    for name, check, values in (
        ("host_name", seed.host_name, [wish.host_name.replace("{name}", "name")] if wish.host_name else []),
        ("user", seed.user_name, [wish.user] if wish.user else []),
        ("ssh_keys", seed.ssh_key, wish.ssh_keys),
        ("packages", seed.package, wish.packages),
    ):
        for value in values:
            with _into(errors, name):
                check(value)
    if wish.password and not wish.user:
        errors["user"] = "A password belongs to a user."
    return {
        "host_name": wish.host_name, "user": wish.user, "ssh_keys": list(wish.ssh_keys), "packages": list(wish.packages), "network": dict(wish.network),
    }  # fmt: skip


def _secrets(wish: Wish, errors: dict[str, str], *, hash_password: bool) -> Secrets:
    """The password leaves this function as a hash alone."""
    if wish.source == "xml":
        return Secrets(xml=wish.xml)
    if wish.source != "cloud":
        return Secrets()
    hashed = ""
    with _into(errors, "user_data"):
        seed.user_data(wish.user_data)
    if wish.password:
        try:
            hashed = passwords.sha512_crypt(wish.password) if hash_password and not errors else "$6$"
        except (ValueError, UnicodeEncodeError):
            errors["password"] = "A password has 1 to 256 bytes."
    return Secrets(password_hash=hashed, user_data=wish.user_data)


class _into:
    """An Invalid that is raised inside becomes the field's error."""

    def __init__(self, errors: dict[str, str], name: str) -> None:
        self._errors, self._name = errors, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: object) -> bool:
        if isinstance(exc, Invalid):
            self._errors.setdefault(self._name, str(exc))
            return True
        return False
