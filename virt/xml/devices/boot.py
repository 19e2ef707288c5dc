"""<os>: firmware, board, and from what it boots. https://libvirt.org/formatdomain.html#operating-system-booting"""

from __future__ import annotations

import re

from lxml import etree

from virt.errors import Invalid
from virt.xml import tree
from virt.xml.devices.kind import Field, Kind
from virt.xml.read.values import attribute, whole
from virt.xml.slot import At

_FIRMWARE = (("bios", "BIOS"), ("efi", "UEFI"), ("efi-secure", "UEFI with Secure Boot"))
# Elements that can be booted from, with what names one of them.
_BOOTABLE = {"disk": "target/@dev", "interface": "mac/@address", "hostdev": "", "redirdev": ""}
_OLD = {"hd": ("disk", "disk"), "cdrom": ("disk", "cdrom"), "fd": ("disk", "floppy"), "network": ("interface", "")}


class _Firmware:
    def read(self, node: etree._Element) -> str:
        loader = node.find("os/loader")
        efi = At("os/@firmware").read(node) == "efi" or attribute(loader, "type") == "pflash"
        if not efi:
            return "bios"
        wanted = {each.get("name"): each.get("enabled") for each in node.iterfind("os/firmware/feature")}
        secure = wanted.get("secure-boot") == "yes" or (attribute(loader, "secure") == "yes" and wanted.get("secure-boot") != "no")
        return "efi-secure" if secure else "efi"

    def write(self, node: etree._Element, value: str) -> None:
        """libvirt chooses the files; the variables of the old firmware (boot entries, keys) are of no use to the new one."""
        if value == self.read(node):
            return
        system = node.find("os")
        if system is None:
            return
        for name in ("loader", "nvram", "firmware"):
            for found in system.findall(name):
                tree.remove(found)
        system.attrib.pop("firmware", "")
        if value == "bios":
            return
        system.set("firmware", "efi")
        features = etree.Element("firmware")
        kind = system.find("type")
        tree.insert(system, features, 0 if kind is None else system.index(kind) + 1)
        secure = "yes" if value == "efi-secure" else "no"
        for name in ("secure-boot", "enrolled-keys"):
            feature = tree.append(features, "feature")
            feature.set("enabled", secure)
            feature.set("name", name)
        if value == "efi-secure":
            At("features/smm/@state").write(node, "on")


def _alike(live: etree._Element, stored: etree._Element) -> bool:
    """Where only "UEFI" is asked for, libvirt may choose one with Secure Boot at the start."""
    asked = stored.find("os/loader") is not None or stored.find("os/firmware/feature[@name='secure-boot']") is not None
    return not asked and "bios" not in (_Firmware().read(live), _Firmware().read(stored))


def _alike_order(live: etree._Element, stored: etree._Element) -> bool:
    """A device that comes or goes at next boot is told by itself."""
    both = {name for name, _ in bootable(live)} & {name for name, _ in bootable(stored)}
    orders = [[name for name in _Order().read(root).split("\n") if name in both] for root in (live, stored)]
    return orders[0] == orders[1]


class _Order:
    """One device a line, first comes first: "disk vda", "interface 52:54:00:12:34:56"."""

    def read(self, node: etree._Element) -> str:
        found = [(whole(attribute(each.find("boot"), "order")), name) for name, each in bootable(node)]
        listed = [name for order, name in sorted(item for item in found if item[0])]
        return "\n".join(listed or _old_order(node))

    def write(self, node: etree._Element, value: str) -> None:
        """Written at the devices; the order by kinds under <os> goes, for libvirt takes only one of them."""
        if value == self.read(node):
            return
        known = dict(bootable(node))
        wanted = [line for line in value.split("\n") if line]
        for name in wanted:
            if name not in known:
                raise Invalid(f"There is no device “{name}” to boot from.")
        for each in node.findall("os/boot"):
            tree.remove(each)
        for name, device in known.items():
            boot = device.find("boot")
            if name not in wanted:
                if boot is not None:
                    tree.remove(boot)
                continue
            boot = tree.append(device, "boot") if boot is None else boot
            boot.set("order", str(wanted.index(name) + 1))


def bootable(root: etree._Element) -> list[tuple[str, etree._Element]]:
    """Devices that a machine can boot from, by name; floppies, which libvirt orders as well, are among the disks."""
    found = []
    for tag, path in _BOOTABLE.items():
        for place, node in enumerate(root.iterfind(f"devices/{tag}")):
            found.append((f"{tag} {At(path).read(node).lower() if path else place}", node))
    return found


def _old_order(root: etree._Element) -> list[str]:
    """What the order by kinds comes to: the first of each kind."""
    names = []
    for boot in root.iterfind("os/boot"):
        tag, device = _OLD.get(boot.get("dev") or "", ("", ""))
        for name, node in bootable(root):
            if node.tag == tag and (not device or (node.get("device") or "disk") == device) and name not in names:
                names.append(name)
                break
    return names


def order_problem(value: str) -> str:
    lines = value.split("\n")
    good = all(re.fullmatch(r"(disk|interface|hostdev|redirdev) [A-Za-z0-9:]{1,40}", line) for line in lines) and len(set(lines)) == len(lines)
    return "" if good else "One device a line, each once."


def machine_problem(value: str) -> str:
    return "" if re.fullmatch(r"[A-Za-z0-9_.+-]{1,64}", value) else "The name of a board, such as q35."


def _summary(node: etree._Element) -> str:
    return f"{dict(_FIRMWARE).get(_Firmware().read(node), '')}, {attribute(node.find('os/type'), 'machine')}"


KIND = Kind(
    name="boot",
    title="Firmware and boot",
    icon="settings",
    group="system",
    tag="",
    most=1,
    removable=False,
    addable=False,
    summary=_summary,
    fields=(
        Field(
            "firmware",
            "Firmware",
            _Firmware(),
            "choice",
            _FIRMWARE,
            required=True,
            alike=_alike,
            hint="Another one starts with new variables: boot entries and keys are lost",
        ),
        Field(
            "machine",
            "Board",
            "os/type/@machine",
            offers="machine-types",
            required=True,
            check=machine_problem,
            compared=False,
            hint="A newer version of the same board; another board needs new addresses (XML)",
        ),
        Field("order", "Boot order", _Order(), "order", check=order_problem, alike=_alike_order),
        Field("menu", "Boot menu", "os/bootmenu/@enable", "choice", (("", "As the firmware has it"), ("yes", "Yes"), ("no", "No"))),
        Field("timeout", "Menu waits (ms)", "os/bootmenu/@timeout", "number", most=65535, rare=True),
        Field("useserial", "BIOS speaks on the serial line", "os/bios/@useserial", "choice", (("", "–"), ("yes", "Yes"), ("no", "No")), rare=True),
        Field("reboot_timeout", "Tries again after (ms)", "os/bios/@rebootTimeout", "number", most=65535, rare=True),
    ),
)
