"""The tree of a machine's snapshots as its page draws it: a trunk that leads to now, branches beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from machines.snapshots.models import Snapshot


@dataclass
class Node:
    """`branches`: what came after it and does not lead to now (or to the newest, off the trunk)."""

    snapshot: Snapshot
    branches: list[list[Node]] = field(default_factory=list)


@dataclass(frozen=True)
class Tree:
    """`trunk`: the way to now, oldest first; `here`: whether now follows its last; `others`: trees that now does not come from."""

    trunk: list[Node]
    others: list[list[Node]]
    count: int


def tree_of(snapshots: Iterable[Snapshot]) -> Tree:
    """Snapshots oldest first. A parent that is missing makes a root."""
    rows = list(snapshots)
    named = {row.name: row for row in rows}
    children: defaultdict[str, list[Snapshot]] = defaultdict(list)
    for row in rows:
        children[row.parent_name if row.parent_name in named and row.parent_name != row.name else ""].append(row)
    way = _way_to(next((row for row in rows if row.current), None), named)
    lines = [_line(root, children, way) for root in sorted(children[""], key=lambda root: root.name not in way)]
    if not way:
        return Tree([], lines, len(rows))
    return Tree(lines[0], lines[1:], len(rows))


def _way_to(current: Snapshot | None, named: dict[str, Snapshot]) -> set[str]:
    way: set[str] = set()
    while current and current.name not in way:
        way.add(current.name)
        current = named.get(current.parent_name)
    return way


def _line(first: Snapshot, children: dict[str, list[Snapshot]], way: set[str]) -> list[Node]:
    """One line downwards from `first`: along the way to now; elsewhere along an only child."""
    line: list[Node] = []
    row: Snapshot | None = first
    while row is not None:
        node, after = Node(row), children.get(row.name, [])
        on = next((child for child in after if child.name in way), None)
        if on is None and len(after) == 1 and row.name not in way:
            on = after[0]
        node.branches = [_line(child, children, way) for child in after if child is not on]
        line.append(node)
        row = on
    return line


def below(snapshot: Snapshot, snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """All that came after one."""
    rows = list(snapshots)
    found = [snapshot]
    for parent in found:  # it grows while it is walked
        found += [row for row in rows if row.parent_name == parent.name and row not in found]
    return found[1:]
