"""What kinds of snapshot a machine can have, and which one is best: one rule for the page, which knows rows, and the worker, which asks the host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from machines.snapshots.models import Kind

Wish = Literal["auto", "internal", "external"]


@dataclass(frozen=True, slots=True)
class Drive:
    """A disk that the machine writes to. `kind`: where its data are ("file", "block", "volume", "network" …)."""

    target: str
    kind: str
    format: str
    source: str

    @property
    def is_file(self) -> bool:
        return self.kind in ("file", "volume")


@dataclass(frozen=True, slots=True)
class Subject:
    """What decides: `uefi`: variables lie in a file of their own, which libvirt can't snapshot; `kept`: kinds that it has already."""

    drives: tuple[Drive, ...]
    active: bool
    uefi: bool
    kept: frozenset[str] = frozenset()


def drives_of(disks: Iterable[Mapping[str, Any]]) -> tuple[Drive, ...]:
    """The disks of a machine's row that a snapshot holds: no CD-ROMs, nothing read-only, no empty drive."""
    return tuple(
        Drive(disk.get("target", ""), disk.get("kind", "file"), disk.get("format", ""), disk.get("source", ""))
        for disk in disks
        if disk.get("device", "disk") == "disk" and not disk.get("readonly") and disk.get("source")
    )


def why_not_internal(subject: Subject) -> str:
    """ "" when the disks can keep a snapshot inside themselves."""
    other = [drive.target for drive in subject.drives if drive.format != "qcow2"]
    if not subject.drives and not subject.active:
        return "It has no disk to take a snapshot of."
    if other:
        return f"Only qcow2 disks can hold one, and {_list(other)} {'is' if len(other) == 1 else 'are'} not."
    if subject.uefi:
        return "With UEFI firmware libvirt can't take one: its variables lie in a file of their own."
    if not subject.drives:
        return "It has no qcow2 disk in which memory could be kept."
    return ""


def why_not_external(subject: Subject) -> str:
    """ "" when the disks' files can be frozen."""
    other = [drive.target for drive in subject.drives if not drive.is_file]
    if not subject.drives:
        return "It has no disk to take a snapshot of."
    if other:
        return f"Only disks that are files can be frozen, and {_list(other)} {'is' if len(other) == 1 else 'are'} not."
    return ""


def best(subject: Subject, *, memory: bool, some_disks: bool) -> Kind | None:
    """The kind to take when nobody chose; None when none is possible.

    Inside the disks where that is possible: one file, nothing to merge later, quick to revert. But not over external ones that it has: an
    internal one below or above them could not be reverted to.
    """
    internal = not why_not_internal(subject) and not some_disks and (memory or not subject.active) and Kind.EXTERNAL not in subject.kept
    if internal:
        return Kind.INTERNAL
    return Kind.EXTERNAL if not why_not_external(subject) else None


def why_not(subject: Subject, kind: Kind, *, memory: bool, some_disks: bool) -> str:
    """Why such a snapshot can't be taken, "" when it can."""
    if kind == Kind.EXTERNAL:
        return why_not_external(subject)
    if reason := why_not_internal(subject):
        return f"Inside the disks: {reason}"
    if subject.active and not memory:
        return "Inside the disks of a running machine memory is always taken along. Choose an external one for disks alone."
    if some_disks:
        return "A snapshot inside the disks holds all of them. Choose an external one for some."
    if Kind.EXTERNAL in subject.kept:
        return "It has external snapshots, and one inside a disk could not be reverted to beside them."
    return ""


def file_word(text: str) -> str:
    """A part of a file's name: safe everywhere, never empty, not too long."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:60] or "x"


def _list(words: list[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else words[0]
