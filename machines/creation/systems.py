"""Systems that people install, with sizes that suit them: from osinfo's data where it is installed, else from a table of the usual ones."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse

_GIB = 2**30
_PLACES = (Path("/usr/share/osinfo/os"), Path("/usr/local/share/osinfo/os"))
_LARGEST_FILE = 2**20
_NEWEST_OF_A_FAMILY = 6
_WANTED = ("debian", "ubuntu", "fedora", "centos-stream", "rhel", "rocky", "almalinux", "opensuse", "sles", "arch", "alpinelinux", "freebsd", "openbsd", "win")


@dataclass(frozen=True, slots=True)
class System:
    """`id` is osinfo's address of it, which other tools understand; `wants`: "bios", "efi" or "secure"."""

    name: str
    title: str
    id: str
    vcpus: int = 2
    memory_bytes: int = 2 * _GIB
    disk_bytes: int = 20 * _GIB
    wants: str = "efi"
    tpm: bool = False

    @property
    def windows(self) -> bool:
        return self.name.startswith("win")


_TABLE = (
    System("debian13", "Debian 13", "http://debian.org/debian/13"),
    System("debian12", "Debian 12", "http://debian.org/debian/12"),
    System("ubuntu26.04", "Ubuntu 26.04 LTS", "http://ubuntu.com/ubuntu/26.04", memory_bytes=4 * _GIB, disk_bytes=25 * _GIB),
    System("ubuntu24.04", "Ubuntu 24.04 LTS", "http://ubuntu.com/ubuntu/24.04", memory_bytes=4 * _GIB, disk_bytes=25 * _GIB),
    System("ubuntu22.04", "Ubuntu 22.04 LTS", "http://ubuntu.com/ubuntu/22.04", memory_bytes=4 * _GIB, disk_bytes=25 * _GIB),
    System("fedora", "Fedora", "http://fedoraproject.org/fedora/rawhide", memory_bytes=4 * _GIB),
    System("rhel10", "RHEL 10 and its kin", "http://redhat.com/rhel/10.0", memory_bytes=4 * _GIB),
    System("rhel9", "RHEL 9 and its kin", "http://redhat.com/rhel/9.0", memory_bytes=4 * _GIB),
    System("opensuse-leap", "openSUSE Leap", "http://opensuse.org/opensuse/15.6", memory_bytes=4 * _GIB, disk_bytes=40 * _GIB),
    System("alpine", "Alpine Linux", "http://alpinelinux.org/alpinelinux/3.21", vcpus=1, memory_bytes=_GIB // 2, disk_bytes=4 * _GIB, wants="bios"),
    System("freebsd14", "FreeBSD 14", "http://freebsd.org/freebsd/14.0", wants="bios"),
    System("win11", "Windows 11", "http://microsoft.com/win/11", 2, 8 * _GIB, 80 * _GIB, "secure", True),
    System("win2025", "Windows Server 2025", "http://microsoft.com/win/2k25", 2, 4 * _GIB, 64 * _GIB, "secure", True),
    System("win2022", "Windows Server 2022", "http://microsoft.com/win/2k22", 2, 4 * _GIB, 64 * _GIB, "efi"),
)


def every() -> tuple[System, ...]:
    """By title. osinfo's own data goes before the table's."""
    return _known(_PLACES)


def get(name: str) -> System | None:
    return next((system for system in every() if system.name == name), None)


def guess(file_name: str) -> System | None:
    """What an ISO's or image's name says: "debian-12.7.0-amd64-netinst.iso" is Debian 12."""
    words = re.sub(r"[^a-z0-9]+", "", file_name.lower().replace("server", "").replace("windows", "win"))
    found = [system for system in every() if words.startswith(_squeezed(system.name))]
    return max(found, key=lambda system: len(system.name), default=None)


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name)


@functools.cache
def _known(places: tuple[Path, ...]) -> tuple[System, ...]:
    found = {system.name: system for system in _TABLE}
    found |= {system.name: system for place in places for system in _newest(_read_all(place))}
    return tuple(sorted(found.values(), key=lambda system: system.title.lower()))


def _newest(systems: Iterable[System]) -> Iterator[System]:
    """osinfo knows a thousand; the newest of those that people install are enough to choose from."""
    families: dict[str, list[System]] = {}
    for system in systems:
        if family := next((family for family in _WANTED if system.name.startswith(family)), None):
            families.setdefault(family, []).append(system)
    for members in families.values():
        yield from sorted(members, key=lambda system: _numbers(system.name), reverse=True)[:_NEWEST_OF_A_FAMILY]


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(text) for text in re.findall(r"\d{1,6}", name))


def _read_all(place: Path) -> Iterator[System]:
    for file in sorted(place.glob("*/*.xml")):
        try:
            if file.stat().st_size <= _LARGEST_FILE and (system := read_system(file.read_text(encoding="utf-8"))):
                yield system
        except (OSError, Invalid, ValueError):
            continue  # one file that can't be read hides no other


def read_system(xml: str) -> System | None:
    """A file of osinfo's; None for one that is no system with sizes."""
    node = parse(re.sub(r"^\s*<\?xml[^>]*\?>", "", xml)).find("os")
    if node is None or not node.get("id") or not (short := _text(node, "short-id")):
        return None
    resources = next((each for each in (node.find("resources/recommended"), node.find("resources/minimum")) if each is not None), None)
    if resources is None:
        return None
    efi = any(each.get("type") == "efi" and each.get("arch") == "x86_64" for each in node.iter("firmware")) or "win" not in short
    return System(
        short, _text(node, "name") or short, str(node.get("id")),
        vcpus=max(1, _whole(resources, "n-cpus")),
        memory_bytes=max(2**28, _whole(resources, "ram") or 2 * _GIB),
        disk_bytes=max(_GIB, _whole(resources, "storage") or 20 * _GIB),
        wants="efi" if efi else "bios",
    )  # fmt: skip


def _text(node: etree._Element, tag: str) -> str:
    return (node.findtext(tag) or "").strip()[:100]


def _whole(node: etree._Element, tag: str) -> int:
    text = (node.findtext(tag) or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
