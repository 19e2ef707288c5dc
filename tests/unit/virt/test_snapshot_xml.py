"""Snapshots' XML: what libvirt 9 keeps is read, what we ask for is built, edits change what they are for and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from virt.errors import Invalid
from virt.xml.build.snapshot import WantedDisk, build_xml, described, domain_then, moved, name_problem, point_at
from virt.xml.read.snapshot import SnapshotDisk, read_snapshot

XML = (Path(__file__).parent / "data" / "snapshot.xml").read_text()
DISK = "devices/disk[1]"


def test_what_libvirt_keeps_is_read() -> None:
    seen = read_snapshot(XML)
    assert (seen.name, seen.parent, seen.description) == ("before-16.4", "installed", "Ticket OPS-2291")
    assert (seen.state, seen.memory, seen.memory_file, seen.is_external, seen.has_memory) == ("running", "external", "/pool/db.before.j7.mem", True, True)
    assert (seen.vcpus, seen.memory_bytes, seen.created_at) == (2, 2 * 2**30, 1795674996)
    assert seen.disks == (
        SnapshotDisk("vda", "external", "/pool/db.vda.before.j7.qcow2", "/pool/db.qcow2", "qcow2"),
        SnapshotDisk("vdb", "no", "", "", "raw"),
    )


def test_driver_that_says_little() -> None:
    seen = read_snapshot("<domainsnapshot><name>s</name><state>running</state><creationTime>1</creationTime></domainsnapshot>")
    assert (seen.disks, seen.is_external, seen.has_memory, seen.vcpus) == ((), False, True, 0)
    with pytest.raises(Invalid):
        read_snapshot("<domain/>")


def test_what_is_asked_for() -> None:
    wanted = [WantedDisk("vda", "/pool/new.qcow2"), WantedDisk("vdb", None)]
    root = etree.fromstring(build_xml(name="s", description="<b>&\x07", memory="/pool/s.mem", disks=wanted))
    assert root.findtext("description") == "<b>&"
    assert dict(root.find("memory").attrib) == {"snapshot": "external", "file": "/pool/s.mem"}  # type: ignore[union-attr]
    assert [(disk.get("name"), disk.get("snapshot")) for disk in root.iterfind("disks/disk")] == [("vda", "external"), ("vdb", "no")]
    assert root.find("disks/disk/driver").get("type") == "qcow2"  # type: ignore[union-attr]  # never probed
    inside = etree.fromstring(build_xml(name="s", description="", memory="internal", disks=[WantedDisk("vda", "")]))
    assert inside.find("disks/disk").attrib == {"name": "vda", "snapshot": "internal"}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["", ".x", "../x", "a/b", "a\nb", "-a", "a ", "x" * 81, "ü", "a\x00"])
def test_names_that_will_not_do(name: str) -> None:
    assert name_problem(name)
    with pytest.raises(Invalid):
        build_xml(name=name, description="", memory="no", disks=[])


def test_edits_change_nothing_else() -> None:
    same = etree.tostring(etree.fromstring(XML), encoding="unicode")
    assert described(described(XML, "other"), "Ticket OPS-2291") == same
    assert moved(XML, {"/elsewhere.qcow2": "/x"}) == same
    there = etree.fromstring(moved(XML, {"/pool/db.qcow2": "/pool/base.qcow2"}))
    assert [node.get("file") for node in there.iterfind(f"domain/{DISK}/source")] == ["/pool/base.qcow2"]
    assert [node.get("file") for node in there.iterfind(f"inactiveDomain/{DISK}/source")] == ["/pool/base.qcow2"]


@pytest.mark.parametrize("stored", [True, False])
def test_machine_as_it_was(stored: bool) -> None:
    """Its own definition then, under the name it has now, on the new file; what libvirt knew of backing files is forgotten."""

    def adjust(disk: etree._Element, target: str) -> None:
        if target == "vda":
            point_at(disk, "/pool/new.qcow2")

    root = etree.fromstring(domain_then(XML, stored=stored, name="renamed", adjust=adjust))
    assert (root.tag, root.get("id"), root.findtext("name")) == ("domain", None, "renamed")
    vda = root.find(DISK)
    assert vda is not None
    assert vda.find("source").attrib == {"file": "/pool/new.qcow2"}  # type: ignore[union-attr]
    assert vda.find("backingStore") is None
    assert root.find("devices/disk[2]/source").get("file") == "/pool/data.raw"  # type: ignore[union-attr]
    assert root.findtext("on_crash") == ("restart" if stored else "destroy")
