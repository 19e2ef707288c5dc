"""Editing a definition: what is not named stays as it is, to the byte where nothing is asked for. Held against many definitions."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from virt.errors import Conflict, Invalid, NotFound
from virt.xml import tree
from virt.xml.devices import KINDS, Kind
from virt.xml.edit import edits
from virt.xml.edit.edits import Edit

DATA = Path(__file__).parents[1] / "virt" / "data"
GIVEN = [(DATA / name).read_text() for name in ("running.xml", "stored.xml")]

# Elements that nobody here has heard of, and those that only the XML editor changes.
STRANGE = (
    "<!-- somebody's words -->",
    "<future level='2'><deep a='1'/>text</future>",
    "<metadata><x:y xmlns:x='urn:x'><x:z q='1'/></x:y></metadata>",
    "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-foo'/></qemu:commandline>",
    "<numatune><memory mode='strict' nodeset='0'/></numatune>",
)
DEVICES = (
    "<disk type='file' device='disk'><driver name='qemu' type='raw' queues='4' strange='yes'/><source file='/a/b'><slices/></source><target dev='vdc' bus='virtio'/><geometry cyls='1' heads='2' secs='3'/></disk>",  # noqa: E501
    "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='rbd' name='p/v'><host name='h' port='6789'/></source><target dev='vdd' bus='virtio'/></disk>",  # noqa: E501
    "<disk type='file' device='cdrom'><target dev='sdz' bus='sata' tray='open'/><readonly/></disk>",
    "<interface type='bridge'><mac address='52:54:00:00:00:0a'/><source bridge='br0'/><virtualport type='openvswitch'><parameters profileid='p'/></virtualport><vlan><tag id='5'/></vlan><guest dev='x'/></interface>",  # noqa: E501
    "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev>",
    "<sound model='ich9'><codec type='micro'/></sound>",
    "<rng model='virtio'><rate bytes='1024' period='500'/><backend model='egd' type='udp'><source mode='connect' host='h' service='1'/></backend></rng>",
    "<video><model type='qxl' ram='65536' vram='65536' heads='2'><acceleration accel3d='no'/></model></video>",
    "<graphics type='vnc' port='5901' autoport='no' passwd='secret' keymap='de'><listen type='address' address='0.0.0.0'/></graphics>",
    "<watchdog model='itco' action='none'/>",
    "<gadget kind='new'/>",
)


@st.composite
def definitions(draw: st.DrawFn) -> str:
    """A definition of ours with strange parts put in anywhere, some devices doubled or gone."""
    root = tree.parse(draw(st.sampled_from(GIVEN)))
    devices = tree.devices(root)
    for text in draw(st.lists(st.sampled_from(DEVICES), unique=True, max_size=5)):
        devices.insert(draw(st.integers(0, len(devices))), etree.fromstring(text))
    for text in draw(st.lists(st.sampled_from(STRANGE), unique=True, max_size=3)):
        root.insert(draw(st.integers(0, len(root))), etree.fromstring(f"<r>{text}</r>")[0])
    for _ in range(draw(st.integers(0, 4))):
        gone = draw(st.sampled_from(list(devices)))
        if gone.tag not in ("emulator", "console"):
            devices.remove(gone)
    return tree.text_of(root)


@given(definitions())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_reading_and_writing_back_changes_nothing(xml: str) -> None:
    root = tree.parse(xml)
    for kind in KINDS.values():
        for _key, node in kind.keyed(root):
            kind.write(root, node, kind.read(node))
    assert tree.text_of(root) == tree.text_of(tree.parse(xml))


OTHER_VALUES = {
    "disk": {"cache": "directsync", "io": "threads", "discard": "unmap", "serial": "Z9", "readonly": "yes", "total_iops_sec": "777", "source": "/x/other", "format": "raw"},  # noqa: E501
    "cdrom": {"source": "/x/disc.iso"},
    "nic": {"model": "e1000", "mac": "52:54:00:ff:ff:01", "down": "yes", "mtu": "9000", "vlan": "7,8", "in_average": "99", "filter": "clean-traffic"},
    "cpu": {"vcpus": "8", "current": "2", "mode": "host-model"},
    "memory": {"memory": str(2**31), "current": str(2**29), "huge": "2048", "locked": "yes"},
    "boot": {"menu": "no", "machine": "pc-q35-9.0", "timeout": "3000"},
    "options": {"clock": "localtime", "apic": "yes", "hyperv": "yes", "on_crash": "preserve", "vmport": "yes", "sleep": "no"},
    "general": {"title": "<&> new", "description": "a\nb"},
    "graphics": {"keymap": "fr", "listen": "127.0.0.1"},
    "video": {"model": "bochs", "heads": "3"},
    "sound": {"model": "usb"},
    "rng": {"bytes": "5", "period": "6"},
    "watchdog": {"action": "dump"},
    "memballoon": {"period": "11", "deflate": "yes"},
    "channel": {"name": "org.example.x"},
    "controller": {"queues": "3"},
    "serial": {"type": "null"},
    "input": {"bus": "virtio"},
    "tpm": {"version": "1.2"},
    "vsock": {"cid": "44"},
    "filesystem": {"target": "other"},
    "panic": {"model": "hyperv"},
    "floppy": {"readonly": "yes"},
    "console": {"type": "null"},
}  # fmt: skip
# A field whose change takes others of the same device with it, for they would contradict it.
DRAGS = {
    ("disk", "source"),
    ("cdrom", "source"),
    ("cpu", "vcpus"),
    ("cpu", "mode"),
    ("memory", "memory"),
    ("memory", "current"),
    ("graphics", "listen"),
    ("serial", "type"),
}


@given(definitions(), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_single_edit_changes_what_it_names_and_nothing_else(xml: str, data: st.DataObject) -> None:
    before, after = tree.parse(xml), tree.parse(xml)
    kind, key = data.draw(st.sampled_from([(kind, key) for kind in KINDS.values() for key, _ in kind.keyed(before) if kind.name in OTHER_VALUES]))
    name = data.draw(st.sampled_from(sorted(OTHER_VALUES[kind.name])))
    value = OTHER_VALUES[kind.name][name]
    changed = edits.apply(after, Edit("change", kind.name, key, {name: value}))
    assert changed is not None
    assert kind.field(name).read(changed) == value
    if (kind.name, name) not in DRAGS:
        was = kind.read(_at(before, kind, key))
        assert kind.read(changed) == was | {name: value}
    if kind.is_device:
        _assert_rest_is_same(before, after, kind, key, changed)
    back = tree.parse(tree.text_of(after))
    assert tree.text_of(back) == tree.text_of(after)


@given(definitions(), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_was_added_is_removed_without_a_trace(xml: str, data: st.DataObject) -> None:
    before, after = tree.parse(xml), tree.parse(xml)
    kind = data.draw(st.sampled_from([kind for kind in KINDS.values() if kind.addable and kind.is_device and kind.name != "filesystem"]))
    if len(kind.nodes(before)) >= kind.most:
        with pytest.raises(Conflict):
            edits.apply(after, Edit("add", kind.name))
        return
    edit = edits.completed(Edit("add", kind.name, "", _needed(kind)), [before])
    made = edits.apply(after, edit)
    assert edits.is_done(after, edit)
    assert made is not None
    key = next(key for key, node in kind.keyed(after) if node is made)
    edits.apply(after, Edit("remove", kind.name, key))
    assert tree.canonical(after) == tree.canonical(before)


def test_edits_that_make_no_sense_are_refused_in_words() -> None:
    root = tree.parse(GIVEN[1])
    text = tree.text_of(root)
    for edit, error in (
        (Edit("change", "disk", "vdz", {"cache": "none"}), NotFound),
        (Edit("change", "disk", "vda", {"cache": "fancy"}), Invalid),
        (Edit("change", "disk", "vda", {"nonsense": "1"}), Invalid),
        (Edit("change", "nothing", "0"), Invalid),
        (Edit("change", "nic", "52:54:00:aa:bb:cc", {"mac": "01:00:00:00:00:01"}), Invalid),
        (Edit("change", "nic", "52:54:00:aa:bb:cc", {"mac": "52:54:00"}), Invalid),
        (Edit("change", "cpu", "0", {"vcpus": "0"}), Invalid),
        (Edit("change", "general", "0", {"title": "two\nlines"}), Invalid),
        (Edit("change", "disk", "vda", {"serial": "a\x07b"}), Invalid),
        (Edit("change", "boot", "0", {"order": "disk nope"}), Invalid),
        (Edit("add", "disk", "", {"bus": "virtio", "format": "raw", "target": "vdx"}), Invalid),
        (Edit("remove", "cpu", "0"), Invalid),
        (Edit("remove", "memballoon", "0"), Invalid),
    ):
        with pytest.raises(error):
            edits.apply(root, edit)
    assert tree.text_of(root) == text


def test_boot_order_takes_the_place_of_the_order_by_kinds() -> None:
    root = tree.parse(GIVEN[1])
    for boot in root.findall(".//boot"):
        parent = boot.getparent()
        assert parent is not None
        parent.remove(boot)
    etree.SubElement(root.find("os"), "boot", dev="hd")  # type: ignore[arg-type]
    boot_kind = KINDS["boot"]
    assert boot_kind.field("order").read(root) == "disk vda"
    edits.apply(root, Edit("change", "boot", "0", {"order": "interface 52:54:00:aa:bb:cc\ndisk vda"}))
    assert root.find("os/boot") is None
    assert boot_kind.field("order").read(root) == "interface 52:54:00:aa:bb:cc\ndisk vda"


def test_passwords_that_libvirt_hides_are_carried_over() -> None:
    old = tree.parse("<domain><devices><graphics type='vnc' passwd='x'/><graphics type='spice' passwd='y'/></devices></domain>")
    new = tree.parse("<domain><devices><graphics type='vnc'/><graphics type='vnc'/></devices></domain>")
    edits.carry_secrets(old, new)
    assert [node.get("passwd") for node in new.iterfind("devices/graphics")] == ["x", None]


@pytest.mark.parametrize(
    "text", ["", "<a", "<domain", "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain>&x;</domain>", "<network/>", "<domain>\x00</domain>"]
)
def test_what_is_no_definition_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        tree.parse(text)


def test_the_line_of_a_mistake_is_told() -> None:
    with pytest.raises(Invalid, match="Line 3"):
        tree.parse("<domain>\n<a>\n</b>\n</domain>")


def _needed(kind: Kind) -> dict[str, str]:
    return {"disk": {"source": "/x/y"}, "nic": {"source": "default"}, "controller": {"index": "9"}}.get(kind.name, {})


def _at(root: etree._Element, kind: Kind, key: str) -> etree._Element:
    found = kind.find(root, key)
    assert found is not None
    return found


def _assert_rest_is_same(before: etree._Element, after: etree._Element, kind: Kind, key: str, changed: etree._Element) -> None:
    """Everything but the device itself; of that, the children that no field of ours stands in."""
    left, right = copy.deepcopy(before), after
    for root, node in ((left, _at(left, kind, key)), (right, changed)):
        marker = etree.Element("here")
        marker.tail = node.tail
        parent = node.getparent()
        assert parent is not None
        parent.replace(node, marker)
        if kind.name == "serial":
            for twin in root.findall("devices/console"):
                twin.getparent().remove(twin)  # type: ignore[union-attr]
    assert tree.canonical(left) == tree.canonical(right)
