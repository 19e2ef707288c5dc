"""What the frame around every page shows: the tree's hosts and the totals below it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.http import HttpRequest
from django.utils.translation import ngettext

from accounts.models import User
from hosts import tree
from live.templatetags.wv import count


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

    @cached_property
    def totals(self) -> str:
        hosts, machines = len(self.hosts), sum(node.machines for node in self.hosts)
        if not hosts:
            return ""
        return (
            ngettext("%(n)s host", "%(n)s hosts", hosts) % {"n": count(hosts)}
            + ", "
            + ngettext("%(n)s machine", "%(n)s machines", machines) % {"n": count(machines)}
        )
