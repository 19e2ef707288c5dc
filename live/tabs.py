"""The parts of an object's page, as tabs and menu entries: apps in deeper rooms add theirs in AppConfig.ready(), so that no page knows all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse


@dataclass(frozen=True)
class Tab:
    """`url_name` takes the object's id. `place` orders them, ten apart. `role`: who has less does not see it.

    badge   (object) → a short text or number beside the title, "" or None for none; called once a rendering of the head
    warns   (object) → whether something there needs a person
    """

    name: str
    title: Any
    url_name: str
    place: int
    role: int
    badge: Callable[[Any], Any] | None = None
    warns: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Deed:
    """An entry of the object's menu that opens a dialog or a page. `why_not`: (object) → why it can't be chosen now, "" when it can."""

    name: str
    title: Any
    icon: str
    url_name: str
    place: int
    role: int
    why_not: Callable[[Any], Any] | None = None
    dialog: bool = True
    danger: bool = False
    button: bool = False  # a button of its own as well, where there is room


@dataclass(frozen=True)
class Notice:
    """Words above the object's page while something is wrong with it. `url`: where that is mended, with `link` as its words; "" where it can't be."""

    words: Any
    url: str = ""
    link: Any = ""


@dataclass(frozen=True)
class Shown:
    """A tab or deed for one object."""

    item: Any
    url: str
    badge: Any = None
    warns: bool = False
    why_not: Any = ""


class Register:
    """Tabs and deeds of one kind of object."""

    def __init__(self) -> None:
        self._tabs: dict[str, Tab] = {}
        self._deeds: dict[str, Deed] = {}
        self._watches: list[Callable[[Any], Notice | None]] = []

    def add(self, *items: Tab | Deed) -> None:
        for item in items:
            if isinstance(item, Tab):
                self._tabs[item.name] = item
            else:
                self._deeds[item.name] = item

    def watch(self, look: Callable[[Any], Notice | None]) -> None:
        """(object) → what is wrong with it, None when nothing is; called once a rendering of the head, so it asks rows only when it must."""
        self._watches.append(look)

    def notices(self, subject: Any) -> list[Notice]:
        return [notice for look in self._watches if (notice := look(subject))]

    def tabs(self, subject: Any, role: int) -> list[Shown]:
        """Those that somebody with `role` sees, in order."""
        found = sorted((tab for tab in self._tabs.values() if tab.role <= role), key=lambda tab: tab.place)
        return [
            Shown(tab, reverse(tab.url_name, args=[subject.pk]), tab.badge(subject) if tab.badge else None, bool(tab.warns and tab.warns(subject)))
            for tab in found
        ]

    def deeds(self, subject: Any, role: int) -> list[Shown]:
        """Those that somebody with `role` may do, in order."""
        found = sorted((deed for deed in self._deeds.values() if deed.role <= role), key=lambda deed: deed.place)
        return [Shown(deed, reverse(deed.url_name, args=[subject.pk]), why_not=deed.why_not(subject) if deed.why_not else "") for deed in found]
