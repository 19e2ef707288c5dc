"""Who may hear what: asked once when a socket subscribes, and again when rights change.

`live` knows no machines: apps above register, in AppConfig.ready(), how the objects of a topic are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accounts.models import User

    Checker = Callable[[User, set[int]], set[int]]

_checkers: dict[str, Checker] = {}

LISTS = frozenset({"machines", "hosts", "storage", "networks", "jobs", "fleet", "consoles"})
FOR_ADMINISTRATORS = frozenset({"people"})


def register(kind: str, checker: Checker) -> None:
    """`checker(user, ids)` returns those of `ids` that the person may see, for topics "<kind>:<id>"."""
    _checkers[kind] = checker


def allowed(user: User, topics: Iterable[str]) -> set[str]:
    """The topics of `topics` that exist and that the person may hear; one query a kind."""
    granted: set[str] = set()
    asked: dict[str, set[int]] = {}
    for topic in topics:
        if topic in LISTS or (topic in FOR_ADMINISTRATORS and user.is_administrator):
            granted.add(topic)
            continue
        kind, _, key = topic.rpartition(":")
        if key.isascii() and key.isdigit() and len(key) < 16:
            asked.setdefault(kind, set()).add(int(key))
    for kind, ids in asked.items():
        checker = _checkers.get(kind.removeprefix("numbers:"))
        if checker:
            granted.update(f"{kind}:{key}" for key in checker(user, ids))
    return granted
