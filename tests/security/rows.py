"""How the rights of an address are written down: a row says, for each method, the role it needs on the object that the address names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.security.world import Thing, World

SIGNED_IN = 0
ANYBODY = -1


@dataclass(frozen=True)
class Row:
    """`about`: the kind of object whose rights count. `body`: makes sense, so that who may, changes something."""

    needs: dict[str, int]
    about: str = ""
    body: dict[str, Any] | Callable[[World], dict[str, Any]] = field(default_factory=dict)
    changes: bool = True  # a POST (PUT, DELETE) of who may

    def data(self, world: World) -> dict[str, Any]:
        return self.body(world) if callable(self.body) else self.body


def reads(role: int, about: str = "") -> Row:
    return Row({"GET": role}, about)


def does(role: int, about: str = "", body: Any = None, *, asks: bool = False, changes: bool = True, method: str = "POST") -> Row:
    return Row({"GET": role, method: role} if asks else {method: role}, about, body or {}, changes)


@dataclass(frozen=True)
class Kind:
    """A further kind of object: it has the rights of its `host` or `machine`. `make` creates one beside a thing's and returns the address's arguments."""

    rights: str
    make: Callable[[Thing], dict[str, Any]]
