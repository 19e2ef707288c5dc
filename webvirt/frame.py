"""What the frame around every page shows: the tree's hosts."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.http import HttpRequest

from accounts.models import User
from hosts import tree


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor; nothing is asked of the database before a template uses it (fragments do not)."""
    user = getattr(request, "user", None)
    return {"frame": Frame(user)} if isinstance(user, User) else {}


class Frame:
    def __init__(self, user: User) -> None:
        self._user = user

    @cached_property
    def hosts(self) -> list[Any]:
        return list(tree.nodes(self._user))
