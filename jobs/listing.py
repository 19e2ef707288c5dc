"""The list of jobs: which, on which page; the URL says it all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import User
from jobs import access, kinds
from jobs.models import ACTIVE, Job, State
from jobs.shown import Shown

PAGE_SIZE = 50
_LAST_PAGE = 100_000
_LONGEST = 100
_DRAWER_ROWS = 30
_RECENT = timedelta(hours=1)

# What a person looks for, which is coarser than the states.
GROUPS: dict[str, tuple[Any, tuple[State, ...]]] = {
    "active": (_lazy("Running"), ACTIVE),
    "failed": (_lazy("Failed"), (State.FAILED, State.INTERRUPTED)),
    "done": (_lazy("Done"), (State.DONE,)),
    "cancelled": (_lazy("Cancelled"), (State.CANCELLED,)),
}


@dataclass(frozen=True)
class Query:
    """`state`: a key of GROUPS; `about`: a part of the subject's or host's name; `batch`: what was asked for at once."""

    state: str = ""
    kind: str = ""
    who: str = ""
    about: str = ""
    mine: bool = False
    batch: str = ""
    page: int = 1

    @classmethod
    def of(cls, asked: QueryDict) -> Query:
        """What makes no sense is left out."""
        state, kind, page = asked.get("state", ""), asked.get("kind", ""), asked.get("page", "")
        return cls(
            state=state if state in GROUPS else "",
            kind=kind if kind in {known.name for known in kinds.every()} else "",
            who=_text(asked, "who"),
            about=_text(asked, "about"),
            mine=asked.get("mine") == "1",
            batch=_text(asked, "batch"),
            page=min(_LAST_PAGE, int(page)) if page.isascii() and page.isdigit() and len(page) < 8 and int(page) else 1,
        )

    def url(self, **changes: Any) -> str:
        """The list with some of it changed; any change but the page's begins on page one."""
        changed = replace(self, **{"page": 1, **changes})
        parts = {"state": changed.state, "kind": changed.kind, "who": changed.who, "about": changed.about, "batch": changed.batch}
        parts |= {"mine": "1" if changed.mine else "", "page": str(changed.page) if changed.page > 1 else ""}
        question = urlencode({name: value for name, value in parts.items() if value})
        return reverse("jobs:list") + (f"?{question}" if question else "")

    @property
    def is_filtered(self) -> bool:
        return self != Query(page=self.page)

    def jobs(self, user: User, *, of_every_state: bool = False) -> QuerySet[Job]:
        found = access.visible(user)
        if self.state and not of_every_state:
            found = found.filter(state__in=GROUPS[self.state][1])
        if self.kind:
            found = found.filter(kind=self.kind)
        if self.mine:
            found = found.filter(asked_by=user)
        if self.who:
            found = found.filter(asked_by_name__icontains=self.who)
        if self.batch:
            found = found.filter(batch=self.batch)
        if self.about:
            found = found.filter(Q(subject_name__icontains=self.about) | Q(host_name__icontains=self.about))
        return found


@dataclass(frozen=True)
class Page:
    query: Query
    user: User

    @cached_property
    def tally(self) -> dict[str, int]:
        """How many there are of each group, whichever is chosen."""
        counts = dict(self.query.jobs(self.user, of_every_state=True).order_by().values_list("state").annotate(n=Count("pk")))
        return {group: sum(counts.get(state, 0) for state in states) for group, (_words, states) in GROUPS.items()}

    @cached_property
    def total(self) -> int:
        return self.tally[self.query.state] if self.query.state else sum(self.tally.values())

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))

    @property
    def number(self) -> int:
        return min(self.query.page, self.pages)

    @cached_property
    def rows(self) -> list[Shown]:
        start = (self.number - 1) * PAGE_SIZE
        return [Shown(job, self.user) for job in self.query.jobs(self.user)[start : start + PAGE_SIZE]]

    @property
    def first(self) -> int:
        return (self.number - 1) * PAGE_SIZE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def previous_url(self) -> str:
        return self.query.url(page=self.number - 1) if self.number > 1 else ""

    @property
    def next_url(self) -> str:
        return self.query.url(page=self.number + 1) if self.number < self.pages else ""

    @property
    def groups(self) -> Iterator[tuple[str, Any, int, bool]]:
        """Address, words, how many, whether it is the one shown; all of them first."""
        yield self.query.url(state=""), _lazy("All"), sum(self.tally.values()), not self.query.state
        for group, (words, _states) in GROUPS.items():
            yield self.query.url(state=group), words, self.tally[group], self.query.state == group

    @property
    def kinds(self) -> list[kinds.Kind]:
        return kinds.every()

    @property
    def mine_url(self) -> str:
        return self.query.url(mine=not self.query.mine)


@dataclass(frozen=True)
class Drawer:
    """What everybody always sees at the foot: all that runs (the newest of very many), then what ended last."""

    user: User

    @cached_property
    def active(self) -> list[Shown]:
        """What runs comes before what is queued. Of a parent that means its running parts only: its page has the queue."""
        jobs = access.visible(self.user).filter(state__in=ACTIVE).exclude(parent__isnull=False, state=State.QUEUED).order_by("-state", "-id")
        return [Shown(job, self.user) for job in jobs[:_DRAWER_ROWS]]

    @cached_property
    def ended(self) -> list[Shown]:
        shown = [each.job.pk for each in self.active]  # one of them may have ended between the two queries
        jobs = access.visible(self.user).exclude(state__in=ACTIVE).exclude(pk__in=shown).exclude(parent__isnull=False, state=State.DONE).order_by("-id")
        return [Shown(job, self.user) for job in jobs[: max(0, _DRAWER_ROWS - len(self.active))]]

    @cached_property
    def active_count(self) -> int:
        if len(self.active) < _DRAWER_ROWS:
            return len(self.active)
        return access.visible(self.user).filter(state__in=ACTIVE).exclude(parent__isnull=False, state=State.QUEUED).count()

    @cached_property
    def failed_count(self) -> int:
        return access.visible(self.user).filter(state__in=GROUPS["failed"][1], finished_at__gt=timezone.now() - _RECENT).count()

    @property
    def first(self) -> Shown | None:
        return self.active[0] if self.active else None


def _text(asked: QueryDict, name: str) -> str:
    return asked.get(name, "")[:_LONGEST].strip()
