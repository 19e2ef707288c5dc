"""libvirt's XML read into values. data/: what libvirt 9.0 wrote of a real machine, running and stored, and of a real host."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virt.errors import Invalid
from virt.xml.read import Definition, read_definition
from virt.xml.read.capabilities import read_capabilities
from virt.xml.read.channel import Channel
from virt.xml.read.disk import Disk
from virt.xml.read.firmware import Boot
from virt.xml.read.graphics import Graphics
from virt.xml.read.network import NetworkLink, read_network_link
from virt.xml.read.nic import Nic
from virt.xml.read.pool import read_pool_kind
from virt.xml.read.serial import Serial

DATA = Path(__file__).with_name("data")

_NIC: dict[str, Any] = {"source": "", "target": "", "link_up": True, "portgroup": "", "vlan": (), "filter": "", "boot_order": 0}
_DISK: dict[str, Any] = {
    "kind": "file",
    "format": "raw",
    "pool": "",
    "volume": "",
    "shareable": False,
    "serial": "",
    "cache": "",
    "boot_order": 0,
    "backing_source": "",
}


def test_running_machine() -> None:
    assert _read("running.xml") == Definition(
        name='rich "1" <é>',
        uuid="0f2a0000-0000-4000-8000-000000000001",
        title="A rich machine",
        description="Line 1\nLine 2 & more",
        virt_type="qemu",
        vcpus=2,
        vcpus_current=1,
        memory_bytes=128 << 20,
        memory_current_bytes=128 << 20,
        cpu_mode="custom",
        cpu_model="qemu64",
        boot=Boot(
            os_type="hvm",
            arch="x86_64",
            machine="pc-q35-7.2",
            firmware="efi",
            secure_boot=True,
            loader="/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
            nvram='/var/lib/libvirt/qemu/nvram/rich "1" <é>_VARS.fd',
            kernel="",
            devices=(),
        ),
        graphics=(
            Graphics("vnc", "socket", "", 0, 0, '/var/lib/libvirt/qemu/domain-12-rich "1" <é>/vnc.sock', False, ""),
            Graphics("spice", "address", "127.0.0.1", 5900, 0, "", True, ""),
        ),
        video=("virtio",),
        disks=(
            Disk(
                **_DISK | {"shareable": True, "serial": "SN1", "cache": "none", "boot_order": 2},
                target="vda",
                bus="virtio",
                device="disk",
                source="/srv/shared/d.img",
                readonly=False,
            ),
            Disk(**_DISK | {"format": ""}, target="sda", bus="sata", device="cdrom", source="", readonly=True),
        ),
        nics=(
            Nic(**_NIC | {"boot_order": 1}, mac="52:54:00:aa:bb:cc", kind="user", model="virtio"),
            Nic(**_NIC | {"source": "default", "target": "vnet0", "link_up": False}, mac="52:54:00:21:d9:f1", kind="network", model="e1000e"),
        ),
        serials=(Serial("serial", "pty", "isa-serial", 0, "serial0"), Serial("console", "pty", "virtio", 0, "console1")),
        channels=(Channel("org.qemu.guest_agent.0", "unix", False), Channel("com.redhat.spice.0", "spicevmc", False)),
        os_id="http://debian.org/debian/12",
    )


def test_stored_machine_differs_where_running_adds() -> None:
    stored = _read("stored.xml")
    assert stored.memory_current_bytes == 64 << 20
    assert stored.firmware == "efi"
    assert stored.boot.nvram == ""
    assert [graphics.socket for graphics in stored.graphics] == ["", ""]
    assert [serial.alias for serial in stored.serials] == ["", ""]
    assert [nic.target for nic in stored.nics] == ["", ""]
    assert (stored.os_type, stored.arch, stored.machine) == ("hvm", "x86_64", "pc-q35-7.2")


def test_the_least_there_can_be() -> None:
    assert read_definition("<domain/>") == Definition(
        name="",
        uuid="",
        title="",
        description="",
        virt_type="",
        vcpus=1,
        vcpus_current=1,
        memory_bytes=0,
        memory_current_bytes=0,
        cpu_mode="",
        cpu_model="",
        boot=Boot("", "", "", "", False, "", "", "", ()),
        graphics=(),
        video=(),
        disks=(),
        nics=(),
        serials=(),
        channels=(),
        os_id="",
    )


@pytest.mark.parametrize(
    ("source", "kind", "shown"),
    [
        ("<source dev='/dev/vg/lv'/>", "block", "/dev/vg/lv"),
        ("<source pool='default' volume='a.qcow2'/>", "volume", "default/a.qcow2"),
        ("<source protocol='rbd' name='pool/image'><host name='mon1'/></source>", "network", "rbd:pool/image"),
        ("<source type='pci' managed='yes'/>", "nvme", ""),
        ("<source dir='/srv/fat'/>", "dir", "/srv/fat"),
        ("", "file", ""),
    ],
)
def test_where_a_disk_lies(source: str, kind: str, shown: str) -> None:
    (disk,) = read_definition(f"<domain><devices><disk type='{kind}'>{source}<target dev='vda'/></disk></devices></domain>").disks
    assert (disk.kind, disk.source, disk.device) == (kind, shown, "disk")


def test_backing_file() -> None:
    xml = "<disk type='file'><backingStore type='file'><source file='/base.qcow2'/></backingStore><source file='/top.qcow2'/></disk>"
    (disk,) = read_definition(f"<domain><devices>{xml}</devices></domain>").disks
    assert (disk.source, disk.backing_source) == ("/top.qcow2", "/base.qcow2")


@pytest.mark.parametrize(
    ("xml", "kind", "source"),
    [
        ("<interface type='bridge'><source bridge='br0'/></interface>", "bridge", "br0"),
        ("<interface type='network'><source network='lan' portid='1' bridge='virbr0'/></interface>", "network", "lan"),
        ("<interface type='direct'><source dev='eth0' mode='bridge'/></interface>", "direct", "eth0"),
        ("<interface type='vhostuser'><source type='unix' path='/run/v.sock'/></interface>", "vhostuser", "/run/v.sock"),
        ("<interface type='ethernet'/>", "ethernet", ""),
    ],
)
def test_where_a_card_is_plugged_in(xml: str, kind: str, source: str) -> None:
    (nic,) = read_definition(f"<domain><devices>{xml}</devices></domain>").nics
    assert (nic.kind, nic.source, nic.link_up) == (kind, source, True)


def test_vlans_of_a_card() -> None:
    xml = "<interface type='bridge'><vlan trunk='yes'><tag id='42'/><tag id='47'/></vlan><filterref filter='clean'/></interface>"
    (nic,) = read_definition(f"<domain><devices>{xml}</devices></domain>").nics
    assert (nic.vlan, nic.filter) == ((42, 47), "clean")


@pytest.mark.parametrize(("state", "connected"), [("connected", True), ("disconnected", False)])
def test_agent(state: str, connected: bool) -> None:
    xml = f"<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='{state}'/></channel>"
    read = read_definition(f"<domain><devices>{xml}</devices></domain>")
    assert (read.has_agent_channel, read.agent_connected) == (True, connected)
    assert not read_definition("<domain/>").has_agent_channel


@pytest.mark.parametrize(
    ("memory", "size"),
    [
        ("<memory>1024</memory>", 1 << 20),
        ("<memory unit='KiB'>1024</memory>", 1 << 20),
        ("<memory unit='b'>7</memory>", 7),
        ("<memory unit='MB'>3</memory>", 3_000_000),
        ("<memory unit='G'>2</memory>", 2 << 30),
        ("<memory unit='TiB'>1</memory>", 1 << 40),
        ("<memory unit='parsecs'>1</memory>", 1024),
        ("<memory>plenty</memory>", 0),
    ],
)
def test_sizes(memory: str, size: int) -> None:
    assert read_definition(f"<domain>{memory}</domain>").memory_bytes == size


@pytest.mark.parametrize(
    ("os", "firmware"),
    [
        ("<type>hvm</type>", "bios"),
        ("<type>hvm</type><loader type='pflash'>/x</loader>", "efi"),
        ("<type>hvm</type><loader type='rom'>/x</loader>", "bios"),
        ("<type>exe</type>", ""),
    ],
)
def test_firmware(os: str, firmware: str) -> None:
    assert read_definition(f"<domain><os>{os}</os></domain>").firmware == firmware


def test_capabilities() -> None:
    read = read_capabilities((DATA / "capabilities.xml").read_text())
    assert (read.host_uuid, read.arch) == ("5ab00000-0000-4000-8000-000000000001", "x86_64")
    assert {"kvm", "qemu"} <= read.domain_types


@pytest.mark.parametrize(
    ("xml", "link"),
    [
        ("<network><forward mode='route'/><bridge name='virbr1'/></network>", NetworkLink("route", "virbr1")),
        ("<network><forward/></network>", NetworkLink("nat", "")),
        ("<network/>", NetworkLink("isolated", "")),
    ],
)
def test_network(xml: str, link: NetworkLink) -> None:
    assert read_network_link(xml) == link


def test_pool() -> None:
    assert read_pool_kind("<pool type='logical'/>") == "logical"


_ENTITY = "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name></domain>"
_BILLION = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {name} '{f'&{before};' * 10}'>" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
) + "]><domain><name>&i;</name></domain>"  # fmt: skip


@pytest.mark.parametrize(
    "xml", [_ENTITY, _BILLION, "<!DOCTYPE domain SYSTEM 'http://h/x.dtd'><domain/>", "", " ", "<domain", "<a/>", "\ud800", "<domain>\0</domain>"]
)
def test_hostile_or_broken(xml: str) -> None:
    began = time.monotonic()
    with pytest.raises(Invalid):
        read_definition(xml)
    assert time.monotonic() - began < 1


def test_a_very_deep_tree_is_refused_or_read() -> None:
    with pytest.raises(Invalid):
        read_definition("<domain>" + "<a>" * 100_000 + "</a>" * 100_000 + "</domain>")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_definition(text)
    except Invalid:
        return


_VALUES = st.text(st.characters(exclude_categories=["C"], exclude_characters="<>&'\""), max_size=20)


@given(st.lists(st.tuples(st.sampled_from(["disk", "interface", "graphics", "serial", "console", "channel", "video"]), _VALUES, _VALUES), max_size=6))
def test_any_attribute_values_are_read(devices: list[tuple[str, str, str]]) -> None:
    """What a newer libvirt might write, where numbers and known words are expected."""
    inner = "".join(
        f"<{tag} type='{one}' port='{two}' device='{one}'><target dev='{one}' bus='{two}' port='{one}' type='{two}'/><boot order='{two}'/>"
        f"<source file='{one}'/><vlan><tag id='{two}'/></vlan><model type='{one}'/></{tag}>"
        for tag, one, two in devices
    )
    read = read_definition(f"<domain><vcpu current='{devices[0][1] if devices else ''}'>x</vcpu><devices>{inner}</devices></domain>")
    assert len(read.disks) == sum(tag == "disk" for tag, _, _ in devices)


def test_reading_is_quick() -> None:
    text = (DATA / "running.xml").read_text()
    read_definition(text)
    best = min(_seconds(text) for _ in range(20))
    assert best < 0.002  # 0.2 ms on two slow cores


def _seconds(text: str) -> float:
    began = time.perf_counter()
    read_definition(text)
    return time.perf_counter() - began


def _read(name: str) -> Definition:
    return read_definition((DATA / name).read_text())
