"""A server's devices as libvirt describes them: what they are, what goes with what, and what can be given to machines."""

from __future__ import annotations

from typing import Any

import pytest

from hosts.devices import classes, verdict
from hosts.devices.inventory import _columns
from hosts.devices.models import Device
from hosts.devices.users import Use
from hosts.devices.verdict import CAREFUL, FREE, NEVER, USED
from tests.data.nodedev import server
from virt.errors import Invalid
from virt.nodedev import HostDevice
from virt.xml.read.hostdev import Hostdev, read_hostdevs
from virt.xml.read.nodedev import MdevType, read_nodedev

BY_ADDRESS = {device.address: device for device in server()}
GPU, GPU_SOUND, CARD, FUNCTION = (BY_ADDRESS[f"0000:{address}"] for address in ("01:00.0", "01:00.1", "41:00.0", "41:00.2"))


def rows() -> dict[str, Device]:
    """As the watcher would write them."""
    return {seen.address: Device(pk=number, **_columns(seen)) for number, seen in enumerate(server(), 1)}


def judged(address: str, *uses: Use, split: int = 0) -> verdict.Verdict:
    devices = rows()
    device = devices[address]
    group = [one for one in devices.values() if one.kind == "pci" and one.iommu_group == device.iommu_group and one.iommu_group is not None]
    return verdict.of(device, group, uses, split)


def test_what_they_are() -> None:
    assert (GPU.vendor, GPU.product, GPU.driver, GPU.iommu_group) == ("NVIDIA Corporation", "GA102GL [RTX A5000]", "vfio-pci", 15)
    assert (CARD.vendor_id, CARD.product_id, CARD.numa_node, CARD.most_functions) == ("15b3", "101b", 1, 8)
    assert CARD.virtual_functions == ("0000:41:00.2", "0000:41:00.3")
    assert FUNCTION.physical_function == "0000:41:00.0"
    assert BY_ADDRESS["0000:40:01.1"].bridge
    card = BY_ADDRESS["0000:81:00.0"]
    assert card.mdev_types[0] == MdevType("nvidia-222", "GRID T4-1B", "vfio-pci", 15)
    part = BY_ADDRESS["4b20d080-1b54-4048-85b3-a6a62d165c01"]
    assert (part.kind, part.parent, part.mdev_type) == ("mdev", "0000:81:00.0", "nvidia-222")
    assert BY_ADDRESS["001:004"].product == "YubiKey OTP+FIDO+CCID"


def test_what_the_host_has_of_them_stands_at_all_above_it_but_bridges() -> None:
    assert CARD.holds == ("enp65s0f0np0",)
    assert BY_ADDRESS["0000:41:00.3"].holds == ("enp65s0f0v1",)
    assert BY_ADDRESS["0000:00:11.0"].holds == ("/dev/sda",)
    assert BY_ADDRESS["001:005"].holds == ("/dev/sdb",)
    assert BY_ADDRESS["0000:00:14.0"].holds == ("/dev/sdb",), "the controller that the stick hangs on"
    assert not BY_ADDRESS["0000:40:01.1"].holds


@pytest.mark.parametrize(
    ("address", "state", "words"),
    [
        ("0000:40:01.1", NEVER, "bridge"),
        ("0000:41:00.2", FREE, ""),
        ("0000:41:00.1", FREE, ""),
        ("0000:41:00.0", CAREFUL, "enp65s0f0np0"),
        ("0000:41:00.0", CAREFUL, "2 virtual functions"),
        ("0000:41:00.3", CAREFUL, "enp65s0f0v1"),
        ("0000:01:00.0", CAREFUL, "together with 01:00.1"),
        ("0000:00:11.0", CAREFUL, "/dev/sda"),
        ("001:001", NEVER, "hub"),
        ("001:004", FREE, ""),
        ("001:005", CAREFUL, "/dev/sdb"),
        ("4b20d080-1b54-4048-85b3-a6a62d165c01", FREE, ""),
    ],
)
def test_what_can_be_given_away(address: str, state: str, words: str) -> None:
    found = judged(address)
    assert found.state == state
    assert words in found.words


def test_what_is_in_use_and_what_was_split() -> None:
    assert judged("0000:41:00.2", Use("pci", "0000:41:00.2", "", "db-1", "/machines/1/", True)).state == USED
    split = judged("0000:81:00.0", split=1)
    assert split.state == CAREFUL and "1 mediated device" in split.words


def test_without_an_iommu_nothing_of_pci_can_be_given() -> None:
    device = Device(pk=1, kind="pci", address="0000:00:03.0", class_code="020000")
    assert verdict.of(device, [], []).state == NEVER


@pytest.mark.parametrize(("code", "word"), [("020000", "Network"), ("010802", "NVMe"), ("0c0330", "USB controller"), ("ffff00", ""), ("", "")])
def test_class(code: str, word: str) -> None:
    assert classes.word(code) == word


def test_a_host_without_lists_of_names() -> None:
    seen = read_nodedev(
        "<device><name>pci_0000_00_03_0</name><path>/sys/devices/pci0000:00/0000:00:03.0</path><parent>computer</parent><driver><name>virtio-pci</name></driver>"
        "<capability type='pci'><class>0x020000</class><domain>0</domain><bus>0</bus><slot>3</slot><function>0</function><product id='0x1041'/>"
        "<vendor id='0x1af4'/></capability></device>"
    )
    assert (seen.address, seen.vendor, seen.vendor_id, seen.iommu_group, seen.numa_node) == ("0000:00:03.0", "", "1af4", None, None)


@pytest.mark.parametrize("xml", ["", "<domain/>", "<device>", "<!DOCTYPE d [<!ENTITY a 'b'>]><device/>"])
def test_what_is_no_device(xml: str) -> None:
    with pytest.raises(Invalid):
        read_nodedev(xml)


def test_odd_values_fit_their_columns() -> None:
    odd = HostDevice("n" * 1000, "pci", "a" * 100, product="p" * 1000, most_functions=10**12, numa_node=-5, iommu_group=10**15)
    columns: dict[str, Any] = _columns(odd)
    assert (len(columns["name"]), len(columns["address"]), len(columns["product"])) == (255, 64, 255)
    assert columns["most_functions"] < 2**31 and columns["iommu_group"] < 2**31 and columns["numa_node"] == -1


def test_what_a_definition_names() -> None:
    xml = """<domain><devices>
      <hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source></hostdev>
      <hostdev mode='subsystem' type='usb'><source><vendor id='0x1050'/><product id='0x0407'/></source></hostdev>
      <hostdev mode='subsystem' type='usb'><source><address bus='1' device='5'/></source></hostdev>
      <hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='4b20d080-1b54-4048-85b3-a6a62d165c01'/></source></hostdev>
      <hostdev mode='capabilities' type='misc'><source><char>/dev/input/event3</char></source></hostdev>
      <hostdev mode='subsystem' type='pci'><source><address domain='x' bus='y'/></source></hostdev>
      <interface type='hostdev'><source><address type='pci' domain='0x0000' bus='0x41' slot='0x00' function='0x2'/></source></interface>
      <interface type='network'><source network='default'/></interface></devices></domain>"""
    assert read_hostdevs(xml) == (
        Hostdev("pci", "0000:01:00.0"),
        Hostdev("usb", ids="1050:0407"),
        Hostdev("usb", "001:005"),
        Hostdev("mdev", "4b20d080-1b54-4048-85b3-a6a62d165c01"),
        Hostdev("pci", "0000:41:00.2"),
    )
