"""What is known of a host's readiness: told by libvirt, and by its own shell where that may be asked. Without libvirt: pages read it too."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from virt.errors import Unsupported

T = TypeVar("T")

FIRST_LINE, LAST_LINE = "webvirt-facts-1", "webvirt-facts-end"
_LONGEST = 300
_MOST_LINES = 400


@dataclass(frozen=True, slots=True)
class Told:
    """By libvirt. None: it does not say; "" and () likewise.

    hypervisor       "QEMU", "TEST"; its version "" where none is installed
    kvm              machines of the host's own architecture can run with KVM
    virtualisation   the processor's own, where libvirt lists it: "vmx", "svm"
    nested           machines get it passed on
    huge_pages       (size in bytes, how many are reserved)
    uefi, secure_boot, tpm, virtiofs   what QEMU and libvirt together offer machines
    confined_by      "apparmor", "selinux"
    """

    hypervisor: str = ""
    hypervisor_version: str = ""
    libvirt_version: str = ""
    arch: str = ""
    cpu_vendor: str = ""
    virtualisation: str = ""
    kvm: bool = False
    nested: bool | None = None
    iommu: bool | None = None
    huge_pages: tuple[tuple[int, int], ...] = ()
    uefi: bool | None = None
    secure_boot: bool | None = None
    tpm: bool | None = None
    virtiofs: bool | None = None
    confined_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """By the host itself, to virt.shell.SCRIPT.

    system, like       of /etc/os-release: "debian", "rhel fedora"; `pretty` "Debian GNU/Linux 12 (bookworm)"
    flags              of its processor: "vmx", "svm", "hypervisor" (it is a machine itself) …
    modules            of the kernel, loaded or built in: "kvm", "kvm_amd", "vhost_net" …
    devices            path → "660 root kvm": /dev/kvm, /dev/vhost-net, /dev/net/tun
    iommu_units        the kernel uses; iommu_groups: how many; iommu_tables: what firmware tells of ("DMAR", "IVRS", "IORT")
    iommu_arguments    of the kernel's command line
    cgroups            2, 1 or 0 (none); controllers of it
    huge_pages         (size in bytes, reserved, free)
    transparent        "always", "madvise", "never", "" unknown
    qemu_img, swtpm, virtiofsd   a version or path, "" missing
    firmwares          how many firmware descriptions QEMU has
    ntp                the clock is kept in step; None unknown
    clock_off_seconds  its clock less ours, whole seconds
    """

    system: str = ""
    like: str = ""
    pretty: str = ""
    kernel: str = ""
    arch: str = ""
    flags: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    devices: tuple[tuple[str, str], ...] = ()
    nested: str = ""
    iommu_units: tuple[str, ...] = ()
    iommu_groups: int = 0
    iommu_tables: tuple[str, ...] = ()
    iommu_arguments: str = ""
    cgroups: int = 0
    controllers: tuple[str, ...] = ()
    huge_pages: tuple[tuple[int, int, int], ...] = ()
    transparent: str = ""
    qemu_img: str = ""
    swtpm: str = ""
    virtiofsd: str = ""
    firmwares: int = 0
    ntp: bool | None = None
    clock_off_seconds: int = 0

    def device(self, path: str) -> str:
        """ "660 root kvm", "" when there is none."""
        return dict(self.devices).get(path, "")

    @property
    def is_machine(self) -> bool:
        """The host is a virtual machine itself."""
        return "hypervisor" in self.flags


@dataclass(frozen=True, slots=True)
class HostFacts:
    """`why_not_shown`: why the host's own shell was not asked, or did not answer, in words; "" when it did."""

    told: Told
    shown: Shown | None = None
    why_not_shown: str = ""

    def plain(self) -> dict[str, Any]:
        """For JSON; lists instead of tuples."""
        return _listed(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> HostFacts:
        """From what plain() gave, perhaps an older or a newer version of us."""
        shown = data.get("shown")
        return cls(_made(Told, data.get("told") or {}), _made(Shown, shown) if shown else None, str(data.get("why_not_shown", "")))


def read_shown(text: str, *, now: float) -> Shown:
    """What the script's answer says; `now`: our clock (epoch seconds) when it came. Raises Unsupported when it is not the script's answer.

    It comes from outside: only known names count, texts are cut, numbers are numbers.
    """
    lines = text.splitlines()[:_MOST_LINES]
    if FIRST_LINE not in lines or LAST_LINE not in lines:
        raise Unsupported("The host's account runs no commands.", text[:_LONGEST])
    said: dict[str, list[str]] = defaultdict(list)
    for line in lines[lines.index(FIRST_LINE) + 1 : lines.index(LAST_LINE)]:
        name, _, value = line.partition("=")
        said[name].append("".join(char for char in value[:_LONGEST] if char.isprintable()).strip())

    def one(name: str) -> str:
        return next((value for value in said.get(name, ()) if value), "")

    def many(name: str) -> tuple[str, ...]:
        return tuple(sorted({word for value in said.get(name, ()) for word in value.split()}))

    return Shown(
        system=one("system").lower(),
        like=one("like").lower(),
        pretty=one("pretty"),
        kernel=one("kernel"),
        arch=one("arch"),
        flags=many("flags"),
        modules=many("module"),
        devices=tuple(sorted((path, mode) for value in said.get("device", ()) for path, _, mode in [value.partition(" ")] if mode)),
        nested=one("nested"),
        iommu_units=many("iommu_unit"),
        iommu_groups=_number(one("iommu_groups")),
        iommu_tables=many("iommu_table"),
        iommu_arguments=" ".join(said.get("iommu_argument", ())),
        cgroups=_number(one("cgroups")),
        controllers=many("controllers"),
        huge_pages=tuple(sorted(pages for value in said.get("huge_pages", ()) if (pages := _pages(value)))),
        transparent=next(iter(re.findall(r"\[(\w+)\]", one("transparent"))), ""),
        qemu_img=_version(one("qemu_img")),
        swtpm=one("swtpm"),
        virtiofsd=one("virtiofsd"),
        firmwares=_number(one("firmwares")),
        ntp={"yes": True, "no": False}.get(one("ntp")),
        clock_off_seconds=round(_number(one("clock")) - now) if one("clock") else 0,
    )


def _number(value: str) -> int:
    return int(value) if re.fullmatch(r"[0-9]{1,12}", value) else 0


def _pages(value: str) -> tuple[int, int, int] | None:
    """ "2048 16 4": KiB, reserved, free."""
    numbers = [_number(word) for word in value.split()]
    return (numbers[0] * 1024, numbers[1], numbers[2]) if len(numbers) == 3 and numbers[0] else None


def _version(line: str) -> str:
    found = re.search(r"version (\d+[\d.]*\d)", line)
    return found[1] if found else line


def _made(kind: type[T], data: Mapping[str, Any]) -> T:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _tupled(value) for name, value in data.items() if name in names})


def _tupled(value: Any) -> Any:
    return tuple(_tupled(each) for each in value) if isinstance(value, list) else value


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_listed(each) for each in value]
    return value
