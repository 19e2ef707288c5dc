"""What each kind of pool becomes as XML, what is refused at which field, and what a search brings back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pools import SECRET, UUID, VALUES
from virt.errors import Invalid
from virt.xml.pools import KINDS, pool_kind
from virt.xml.pools.slots import join, split
from virt.xml.read.pool import definition_of, read_pool, read_pool_login

DATA = Path(__file__).parent / "pools"


def test_every_kind_has_an_example() -> None:
    assert set(VALUES) == set(KINDS) == {path.stem for path in DATA.glob("*.xml")}


@pytest.mark.parametrize("name", KINDS)
def test_the_xml_of_each_kind(name: str) -> None:
    xml = pool_kind(name).build_xml("store", UUID, VALUES[name], secret=SECRET)
    assert xml + "\n" == (DATA / f"{name}.xml").read_text()
    read = KINDS[name].read(xml)
    assert {field: read[field] for field in VALUES[name]} == VALUES[name]
    assert read_pool(xml).kind == name
    assert read_pool_login(xml) == (SECRET if KINDS[name].login else "")


@pytest.mark.parametrize("name", KINDS)
def test_every_field_is_exercised(name: str) -> None:
    """One that no example gives would never have been seen by libvirt."""
    given = set(VALUES[name]) | {"path", "password"}
    assert {field.name for field in KINDS[name].fields} <= given


@pytest.mark.parametrize("name", KINDS)
def test_what_is_needed_is_said_at_its_field(name: str) -> None:
    needed = {field.name for field in KINDS[name].fields if field.required}
    assert needed <= set(KINDS[name].problems({}))
    with pytest.raises(Invalid):
        KINDS[name].build_xml("store", UUID, {})


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("dir", "path", "/etc"),
        ("dir", "path", "/etc/../srv/x"),
        ("dir", "path", "srv"),
        ("dir", "path", "/srv/a\nb"),
        ("dir", "path", "/var/lib"),
        ("fs", "device", "/etc/passwd"),
        ("fs", "device", "/dev/../etc/passwd"),
        ("fs", "device", "/dev"),
        ("fs", "device", "/dev/sd b\x00"),
        ("netfs", "host", "-o,exec"),
        ("netfs", "host", "nas example"),
        ("netfs", "directory", "../x"),
        ("netfs", "directory", "export"),
        ("logical", "source", "-vg"),
        ("logical", "source", "a b"),
        ("logical", "devices", "/dev/sdb\n/srv/x"),
        ("iscsi", "host", "store:99999"),
        ("iscsi", "device", "iqn --op delete"),
        ("rbd", "host", "mon1\nmon 2:x"),
        ("rbd", "source", "a/../b"),
        ("zfs", "source", "-f"),
    ],
)
def test_what_could_do_harm_is_refused_at_its_field(kind: str, field: str, value: str) -> None:
    values = {**VALUES[kind], field: value}
    assert field in KINDS[kind].problems(values)
    with pytest.raises(Invalid):
        KINDS[kind].build_xml("store", UUID, values)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-rf", " x", "a\nb", "x" * 201])
def test_names_of_pools(name: str) -> None:
    with pytest.raises(Invalid):
        KINDS["dir"].build_xml(name, UUID, VALUES["dir"])


def test_a_share_of_windows_is_no_path() -> None:
    assert KINDS["netfs"].problems({"format": "cifs", "host": "nas", "directory": "vm/images"}) == {}
    assert "directory" in KINDS["netfs"].problems({"format": "cifs", "host": "nas", "directory": "vm,uid=0"})
    assert "version" not in KINDS["netfs"].build_xml("s", UUID, {"format": "cifs", "host": "nas", "directory": "vm", "version": "4.2"})


def test_a_key_of_ceph_is_base64() -> None:
    field = KINDS["rbd"].field("password")
    assert field.problem("AQBhUg5gAAAAABAAMiYbz4WEUO4eGkuG7XgOMw==") == ""
    assert field.problem("my password") and field.problem("YQ==")


def test_what_a_search_brings_back() -> None:
    netfs = KINDS["netfs"]
    assert netfs.search_xml({"host": "nas"}).replace("\n", "").replace(" ", "") == '<source><hostname="nas"/></source>'
    found = netfs.found(
        "<sources><source><host name='nas'/><dir path='/a'/><format type='nfs'/></source><source><host name='nas'/><dir path='/b'/></source></sources>"
    )
    assert found == [{"format": "nfs", "host": "nas", "directory": "/a"}, {"host": "nas", "directory": "/b"}]
    groups = KINDS["logical"].found(
        "<sources><source><device path='/dev/sda2'/><device path='/dev/sdb'/><name>vg</name><format type='lvm2'/></source></sources>"
    )
    assert groups == [{"source": "vg", "devices": "/dev/sda2\n/dev/sdb"}]
    with pytest.raises(Invalid):
        netfs.found("<pool/>")


def test_the_definition_has_no_figures() -> None:
    figures = "<capacity unit='bytes'>5</capacity><available unit='bytes'>1</available>"
    xml = f"<pool type='dir'>\n <name>x</name>\n {figures}\n<source>\n </source><target><path>/p</path></target></pool>"
    assert definition_of(xml) == '<pool type="dir">\n  <name>x</name>\n  <source/>\n  <target>\n    <path>/p</path>\n  </target>\n</pool>'
    assert definition_of(definition_of(xml)) == definition_of(xml)


@pytest.mark.parametrize(
    ("text", "parts"), [("a:1", ("a", "1")), ("a", ("a", "")), ("::1", ("::1", "")), ("[::1]:5", ("::1", "5")), ("fd00::1", ("fd00::1", ""))]
)
def test_hosts_with_ports(text: str, parts: tuple[str, str]) -> None:
    assert split(text) == parts
    assert join(*parts) == text
