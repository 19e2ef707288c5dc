"""What a grant can be about, without `accounts` knowing hosts or machines: apps above register how theirs are found.

They do so in AppConfig.ready().
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from accounts.roles import Scope


@dataclass(frozen=True)
class Found:
    """An object that a grant can name; `note` tells it from others of the same name."""

    id: int
    name: str
    note: str = ""


@dataclass(frozen=True)
class Finder:
    """`search(text, most)`: by name or address, best first. `named(ids)`: those of the ids that still exist."""

    search: Callable[[str, int], list[Found]]
    named: Callable[[set[int]], list[Found]]


_finders: dict[str, Finder] = {}


def register(scope: Scope, finder: Finder) -> None:
    _finders[scope] = finder


def search(scope: str, text: str, most: int = 20) -> list[Found]:
    finder = _finders.get(scope)
    return finder.search(text, most) if finder and text else []


def exists(scope: str, object_id: int) -> bool:
    return bool(named(scope, [object_id]))


def named(scope: str, ids: Iterable[int]) -> dict[int, Found]:
    """By id; those that are gone are missing."""
    finder, wanted = _finders.get(scope), set(ids)
    return {found.id: found for found in finder.named(wanted)} if finder and wanted else {}
