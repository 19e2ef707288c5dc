"""The first machine's XML: read back as meant, and closed to whatever stands in its name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virt.errors import Invalid
from virt.xml.build.first import build_xml
from virt.xml.read import read_definition
from virt.xml.read.graphics import Graphics
from virt.xml.read.serial import Serial

UUID = "0f2a0000-0000-4000-8000-000000000001"


@pytest.mark.parametrize("virt_type", ["kvm", "qemu", "test"])
def test_firmware_and_nothing_else(virt_type: Any) -> None:
    read = read_definition(build_xml(name="first", uuid=UUID, virt_type=virt_type))
    assert (read.name, read.uuid, read.virt_type, read.vcpus, read.memory_bytes) == ("first", UUID, virt_type, 1, 64 << 20)
    assert (read.disks, read.nics, read.firmware, read.video) == ((), (), "bios", ("vga",))
    assert read.serials == (Serial("serial", "pty", "", 0, ""),)
    assert read.graphics == (Graphics("vnc", "socket", "", 0, 0, "", False, ""),)


def test_screen_on_the_loopback() -> None:
    (graphics,) = read_definition(build_xml(name="first", uuid=UUID, virt_type="qemu", vnc="loopback")).graphics
    assert graphics == Graphics("vnc", "address", "127.0.0.1", 0, 0, "", True, "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": " "},
        {"name": "a/b"},
        {"name": "a\nb"},
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"name": "ü" * 101},
        {"uuid": "x"},
        {"uuid": ""},
        {"memory_mib": 63},
        {"memory_mib": 129},
    ],
)
def test_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        build_xml(**{"name": "first", "uuid": UUID, "virt_type": "qemu"} | wrong)


@given(st.text(min_size=1, max_size=40))
def test_any_name_stays_a_name(name: str) -> None:
    try:
        xml = build_xml(name=name, uuid=UUID, virt_type="qemu")
    except Invalid:
        return
    read = read_definition(xml)
    assert (read.name, read.virt_type, read.disks) == (name.strip(), "qemu", ())
