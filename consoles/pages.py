"""What the pages of consoles are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.roles import Role
from consoles import shares
from consoles.access import Opening
from machines import access
from machines.filters import condition_of, parse
from machines.models import ACTIVE_STATES, Machine

FUNCTION_KEYS = [f"F{number}" for number in range(1, 13)]
# As static/js/console/layouts.js has them.
LAYOUTS = [("us", _("English (US)")), ("de", _("German")), ("fr", _("French")), ("ru", _("Russian"))]
SIZES = [("s", _("Small")), ("m", _("Medium")), ("l", _("Large"))]
MOST_ON_WALL = 60


def shares_of(opening: Opening, user: User) -> list[dict[str, Any]]:
    """Open invitations, each with whether this person may revoke it."""
    if opening.share:
        return []
    manages = opening.role >= Role.MANAGER
    return [{"share": share, "revokes": manages or share.made_by_id == user.pk} for share in shares.open_of(opening.machine)]


@dataclass(frozen=True)
class Wall:
    """Screens side by side: those of a search (as the list of machines has it: `f` and `q`), or of chosen ids."""

    words: str
    ids: tuple[int, ...]
    size: str
    running: bool

    @classmethod
    def of(cls, asked: QueryDict) -> Wall:
        ids = tuple(int(text) for text in asked.getlist("ids")[:MOST_ON_WALL] if text.isascii() and text.isdigit() and len(text) < 16)
        size = asked.get("size", "m")
        words = " ".join([*asked.getlist("f"), asked.get("q", "")]).strip()
        return cls(words[:200], ids, size if size in dict(SIZES) else "m", asked.get("running", "") == "1")

    def machines(self, user: User) -> list[Machine]:
        """One query, whoever asks; those that the person sees, for they may watch them."""
        found = access.visible(user).filter(condition_of(parse(self.words)))
        if self.ids:
            found = found.filter(pk__in=self.ids)
        if self.running:
            found = found.filter(state__in=ACTIVE_STATES)
        return list(found.select_related("host").order_by("name", "pk").distinct()[:MOST_ON_WALL])
