"""Orders, names, placement, definitions: pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.creation import placement, systems
from machines.creation.order import DiskOrder, NicOrder, Order, names_of, volume_name
from machines.creation.placement import Candidate, judge, rank
from machines.creation.shape import Ground, shape
from machines.creation.wishes import Wish, Wrong, order_of
from virt.errors import Invalid
from virt.names import volume_name as checked
from virt.xml.build.machine import Disk, Nic, build_xml
from virt.xml.edit.clone import cloned
from virt.xml.read import read_definition

GIB = 2**30
UUID = "0f2a0000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web", ["web"]),
        ("web-{01..03}", ["web-01", "web-02", "web-03"]),
        ("{9..11}-a", ["9-a", "10-a", "11-a"]),
        ("n{098..101}", ["n098", "n099", "n100", "n101"]),
    ],
)
def test_series(pattern: str, names: list[str]) -> None:
    assert names_of(pattern) == names


@pytest.mark.parametrize("pattern", ["", "a/b", "x{1..1001}", "x{5..1}", "{1..2}{1..2}", " a", "..", "a\nb"])
def test_names_that_are_none(pattern: str) -> None:
    with pytest.raises(Invalid):
        names_of(pattern)


@given(st.text(min_size=1, max_size=50))
def test_a_disk_has_a_name_that_its_pool_takes(name: str) -> None:
    assert checked(volume_name(name, UUID, "disk2", "qcow2")).endswith("-0f2a0000-disk2.qcow2")


def candidate(number: int = 1, **more: Any) -> Candidate:
    usual = Candidate(number, f"h{number}", True, 64 * GIB, 8 * GIB, 16 * GIB, 16, 8, True, {"default": 100 * GIB}, frozenset({"default"}))
    return replace(usual, **more)


ORDER = Order("empty", vcpus=2, memory_bytes=4 * GIB, disks=(DiskOrder("default", 20 * GIB),), nics=(NicOrder("default"),))


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (candidate(online=False), "does not answer"),
        (candidate(in_maintenance=True), "is in maintenance"),
        (candidate(allocated_bytes=62 * GIB), "2 GiB of memory free, 4 GiB needed"),
        (candidate(pools={}), "has no pool default"),
        (candidate(pools={"default": GIB}), "pool default has 1 GiB free, 20 GiB needed"),
        (candidate(networks=frozenset()), "has no network default"),
        (candidate(has_source=False), "is not in a pool"),
    ],
)
def test_every_host_that_will_not_do_says_why(host: Candidate, why: str) -> None:
    verdict = judge(host, ORDER)
    assert not verdict.fits
    assert why in " ".join(verdict.against)


def test_the_emptiest_comes_first_and_counts_what_was_placed() -> None:
    hosts = {1: candidate(1), 2: candidate(2, allocated_bytes=24 * GIB), 3: candidate(3, online=False)}
    placed = []
    for _ in range(4):
        best = rank(list(hosts.values()), ORDER)[0]
        placed.append(best.candidate.id)
        hosts[best.candidate.id] = placement.after(best.candidate, ORDER)
    assert placed == [1, 1, 1, 2] or placed == [1, 1, 2, 1]


OFFER = {"virt_type": "kvm", "board": "q35", "canonical": "pc-q35-7.2", "firmware": ["bios", "efi"], "secure_boot": True, "passthrough": True,
         "maximum": True, "host_model": "EPYC", "devices": {"video.modelType": ["vga", "virtio"]}}  # fmt: skip


def test_what_suits_the_host_and_the_system() -> None:
    ground = Ground("qemu", True, "x86_64", (OFFER, OFFER | {"virt_type": "qemu"}))
    machine = shape(replace(ORDER, os="debian12"), ground, "web", UUID, (Disk("file", "/p/web.qcow2"),))
    assert (machine.virt_type, machine.cpu, machine.firmware, machine.video) == ("kvm", "host-passthrough", "efi", "virtio")
    emulated = shape(replace(ORDER, virt_type="qemu"), ground, "web", UUID, ())
    assert (emulated.virt_type, emulated.cpu, emulated.firmware) == ("qemu", "maximum", "bios")
    windows = shape(replace(ORDER, os="win11"), ground, "web", UUID, ())
    assert (windows.firmware, windows.windows, windows.nics[0].model, windows.video) == ("secure", True, "e1000e", "vga")
    assert shape(ORDER, Ground("qemu", False, "x86_64", ()), "web", UUID, ()).virt_type == "qemu"


def test_a_definition_reads_back_as_meant() -> None:
    order = replace(ORDER, source="iso", os="debian12", nics=(NicOrder("default"), NicOrder("br0", "bridge", mac="52:54:00:00:00:01")))
    disks = (
        Disk("file", "/p/a.qcow2"),
        Disk("file", "/p/b.raw", format="raw"),
        Disk("file", "/p/d.iso", format="raw", device="cdrom", bus="sata", readonly=True),
    )
    xml = build_xml(shape(order, Ground("qemu", True, "x86_64", (OFFER,)), "web", UUID, disks))
    read = read_definition(xml)
    assert [(disk.target, disk.bus, disk.format, disk.device) for disk in read.disks] == [
        ("vda", "virtio", "qcow2", "disk"), ("vdb", "virtio", "raw", "disk"), ("sda", "sata", "raw", "cdrom"),
    ]  # fmt: skip
    assert [(nic.kind, nic.source, nic.model) for nic in read.nics] == [("network", "default", "virtio"), ("bridge", "br0", "virtio")]
    assert xml.index('boot order="1"') < xml.index('boot order="2"')
    assert read.graphics[0].listen == "socket"


@given(st.text(max_size=60))
def test_no_name_becomes_markup(name: str) -> None:
    try:
        xml = build_xml(shape(ORDER, Ground("qemu", True, "x86_64"), name, UUID, (), nics=(Nic(name or "x"),)))
    except (Invalid, ValueError):
        return
    assert read_definition(xml).name == name


def test_a_copy_has_its_own_identity_and_all_else_of_the_original() -> None:
    order = replace(ORDER, nics=(NicOrder("default", mac="52:54:00:00:00:01"),))
    xml = build_xml(shape(order, Ground("qemu", True, "x86_64"), "web", UUID, (Disk("file", "/p/a.qcow2"),)))
    xml = xml.replace("<devices>", "<devices><unheard-of a='1'/>")
    copy = cloned(xml, "copy", UUID.replace("1", "2"), {"vda": ("/p/copy.qcow2", "qcow2")})
    read = read_definition(copy)
    assert (read.name, read.uuid, read.disks[0].source) == ("copy", UUID.replace("1", "2"), "/p/copy.qcow2")
    assert read.nics[0].mac not in ("", "52:54:00:00:00:01")
    assert "unheard-of" in copy


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish(source="nowhere"), "source"),
        (Wish(source="iso"), "volume"),
        (Wish(source="image", pool="p", volume="v"), "disks"),
        (Wish(memory_bytes=1), "memory"),
        (Wish(disks=[{"pool": "../x", "size_bytes": GIB}]), "disks"),
        (Wish(disks=[{"pool": "p", "size_bytes": 1}]), "disks"),
        (Wish(disks=[{"pool": "p", "size_bytes": GIB, "format": "vmdk"}]), "disks"),
        (Wish(nics=[{"source": ""}]), "nics"),
        (Wish(nics=[{"source": "default", "mac": "01:00:00:00:00:00"}]), "nics"),
        (Wish(source="cloud", pool="p", volume="v", disks=[{"pool": "p"}], password="x"), "user"),
        (Wish(source="cloud", pool="p", volume="v", disks=[{"pool": "p"}], ssh_keys=["x"]), "ssh_keys"),
        (Wish(source="xml", xml="<pool/>"), "xml"),
        (Wish(source="xml", xml="<!DOCTYPE x><domain/>"), "xml"),
    ],
)
def test_what_makes_no_sense_is_told_at_its_field(wish: Wish, field: str) -> None:
    with pytest.raises(Wrong) as refused:
        order_of(wish)
    assert field in refused.value.errors


def test_a_disk_without_a_pool_is_told_in_words_for_whoever_has_none_to_choose() -> None:
    with pytest.raises(Wrong) as refused:
        order_of(Wish(source="empty", disks=[{"pool": "", "size_bytes": GIB}]))
    assert refused.value.errors["disks"] == "Choose a pool for each disk."


def test_a_password_leaves_as_a_hash() -> None:
    order, secrets = order_of(Wish(source="cloud", pool="p", volume="v", disks=[{"pool": "p"}], user="anna", password="very secret"))
    assert secrets.password_hash.startswith("$6$rounds=")
    assert "very secret" not in repr((order.plain(), secrets))
    assert Order.of(order.plain()) == order


def test_a_system_is_guessed_from_a_files_name() -> None:
    for file, name in (("debian-12.7.0-amd64-netinst.iso", "debian12"), ("ubuntu-24.04.1-live-server-amd64.iso", "ubuntu24.04")):
        found = systems.guess(file)
        assert found is not None
        assert found.name == name
    assert systems.guess("my-own.iso") is None


def test_a_file_of_osinfo_is_read() -> None:
    xml = """<?xml version="1.0"?><libosinfo><os id="http://x.org/x/1"><short-id>fedora41</short-id><name>Fedora 41</name>
    <resources arch="all"><minimum><ram>1</ram></minimum>
    <recommended><n-cpus>4</n-cpus><ram>4294967296</ram><storage>21474836480</storage></recommended></resources></os></libosinfo>"""
    assert systems.read_system(xml) == systems.System("fedora41", "Fedora 41", "http://x.org/x/1", 4, 4 * GIB, 20 * GIB, "efi")
