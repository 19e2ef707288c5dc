"""Two definitions line by line, for the eye."""

from __future__ import annotations

import difflib
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """`sign`: "+", "-" or " "."""

    sign: str
    text: str


def between(old: str, new: str) -> list[Line]:
    """All lines, for a pool has few; [] when nothing differs."""
    if old == new:
        return []
    return [Line(line[0], line[2:]) for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] != "?"]
