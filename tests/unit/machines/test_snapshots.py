"""Which kinds of snapshot a machine can have, and the tree as it is drawn."""

from __future__ import annotations

import pytest

from machines.snapshots.choices import Drive, Subject, best, drives_of, file_word, why_not
from machines.snapshots.models import Kind, Snapshot
from machines.snapshots.tree import Node, below, tree_of

QCOW2 = Drive("vda", "file", "qcow2", "/pool/a.qcow2")
RAW = Drive("vdb", "file", "raw", "/pool/b.raw")
LVM = Drive("vdc", "block", "raw", "/dev/vg/c")
EXTERNAL = frozenset({Kind.EXTERNAL})


@pytest.mark.parametrize(
    ("subject", "memory", "some", "expected"),
    [
        (Subject((QCOW2,), True, False), True, False, Kind.INTERNAL),
        (Subject((QCOW2,), True, False), False, False, Kind.EXTERNAL),  # disks alone of a running machine
        (Subject((QCOW2,), False, False), False, False, Kind.INTERNAL),
        (Subject((QCOW2,), True, True), True, False, Kind.EXTERNAL),  # UEFI: libvirt 9 refuses an internal one
        (Subject((QCOW2, RAW), True, False), True, False, Kind.EXTERNAL),
        (Subject((QCOW2, QCOW2), True, False), True, True, Kind.EXTERNAL),
        (Subject((QCOW2,), True, False, EXTERNAL), True, False, Kind.EXTERNAL),
        (Subject((QCOW2, LVM), True, False), True, False, None),
        (Subject((), True, False), True, False, None),
        (Subject((), False, False), False, False, None),
    ],
)
def test_the_kind_that_suits_best(subject: Subject, memory: bool, some: bool, expected: Kind | None) -> None:
    assert best(subject, memory=memory, some_disks=some) == expected
    if expected:
        assert why_not(subject, expected, memory=memory, some_disks=some) == ""


def test_refusals_name_the_disks() -> None:
    assert "vdb is not" in why_not(Subject((QCOW2, RAW), True, False), Kind.INTERNAL, memory=True, some_disks=False)
    assert "vdc is not" in why_not(Subject((LVM,), True, False), Kind.EXTERNAL, memory=True, some_disks=False)
    assert "UEFI" in why_not(Subject((QCOW2,), True, True), Kind.INTERNAL, memory=True, some_disks=False)
    assert "external" in why_not(Subject((QCOW2,), True, False, EXTERNAL), Kind.INTERNAL, memory=True, some_disks=False)


def test_what_is_written_to_counts() -> None:
    disks = [
        {"target": "vda", "device": "disk", "kind": "file", "format": "qcow2", "source": "/a", "readonly": False},
        {"target": "sda", "device": "cdrom", "kind": "file", "format": "raw", "source": "/b.iso", "readonly": True},
        {"target": "vdb", "device": "disk", "kind": "file", "format": "raw", "source": "/c", "readonly": True},
        {"target": "vdc", "device": "disk", "kind": "file", "format": "raw", "source": "", "readonly": False},
    ]
    assert [drive.target for drive in drives_of(disks)] == ["vda"]


@pytest.mark.parametrize(("text", "word"), [("db-1", "db-1"), ("../etc/passwd", "etc-passwd"), ("a b.c", "a-b-c"), ("…", "x"), ("x" * 99, "x" * 60)])
def test_words_of_file_names(text: str, word: str) -> None:
    assert file_word(text) == word


def test_the_way_to_now_is_the_trunk() -> None:
    rows = [_row("a"), _row("b", "a"), _row("c", "b"), _row("d", "b", current=True), _row("e", "c"), _row("f", "gone")]
    tree = tree_of(rows)
    assert [node.snapshot.name for node in tree.trunk] == ["a", "b", "d"]
    assert _names(tree.trunk[1].branches) == [["c", "e"]]
    assert _names(tree.others) == [["f"]]
    assert {row.name for row in below(rows[1], rows)} == {"c", "d", "e"}


def test_nothing_is_lost_of_a_strange_tree() -> None:
    """Two that name each other, one that names itself: drawn nowhere twice, and nothing hangs."""
    tree = tree_of([_row("a", "a"), _row("b")])
    assert sorted(name for line in _names(tree.others) for name in line) == ["a", "b"]
    assert tree.trunk == []
    below(_row("x", "y"), [_row("x", "y"), _row("y", "x")])


def _row(name: str, parent: str = "", *, current: bool = False) -> Snapshot:
    return Snapshot(name=name, parent_name=parent, current=current)


def _names(lines: list[list[Node]]) -> list[list[str]]:
    return [[node.snapshot.name for node in line] for line in lines]
