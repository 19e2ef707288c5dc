"""The result for a person (a table) and for a program (JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from tests.bench.figures import Figure

NOTES = (
    "The hosts are daemons of libvirt's test driver, each with a process and a socket of its own; their counters (CPU, memory, disk, net) are made up"
    " after the real call, because the test driver tells states only.",
    "Server time is measured inside the product around all of its code; 'with transport' adds the web server, compression, loopback and the client.",
    "An event's time runs from just before the call to libvirt that causes it to the arrival of the push at a socket, over all sockets.",
    "Bench and product share the same processor cores.",
)


def table(figures: Iterable[Figure]) -> str:
    """One line a figure: where, what, value, goal, verdict."""
    rows = [("where", "what", "value", "goal", "")]
    rows += [(each.where, each.what, _value(each), _goal(each), "" if each.goal is None else "ok" if each.met else "MISSED") for each in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "  ".join("─" * width for width in widths[:4]))
    return "\n".join(lines)


def write_json(path: Path, figures: Iterable[Figure], machine: Mapping[str, str]) -> None:
    """Everything that the table shows, and what it ran on."""
    content = {"machine": machine, "notes": NOTES, "figures": [{**asdict(each), "met": each.met} for each in figures]}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    where, what, value, goal, verdict = row
    return f"{where:<{widths[0]}}  {what:<{widths[1]}}  {value:>{widths[2]}}  {goal:>{widths[3]}}  {verdict}".rstrip()


def _value(figure: Figure) -> str:
    digits = 0 if not figure.unit or figure.value >= 1000 else 1
    return f"{figure.value:.{digits}f} {figure.unit}".rstrip()


def _goal(figure: Figure) -> str:
    return "" if figure.goal is None else f"≤ {figure.goal:g} {figure.unit}".rstrip()
