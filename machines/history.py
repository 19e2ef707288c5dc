"""What happened to a machine: events the host told, jobs that people asked for, versions of its definition; one line of time."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from jobs.models import Job
from jobs.models import State as JobState
from live.templatetags.wv import duration
from machines import company
from machines.company import Visit
from machines.models import Definition, Event, Machine

_LONGEST_DIFF = 1_500  # lines
_FAILED = (JobState.FAILED, JobState.INTERRUPTED)


@dataclass(frozen=True)
class Line:
    """`kind`: "" or what makes it stand out: "now" for what runs, "err" for what failed."""

    at: dt.datetime
    words: str
    who: str
    kind: str = ""
    url: str = ""
    link: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Change:
    """A line of a diff; `sign` is "+", "-", " " or "@"."""

    sign: str
    text: str


def lines(machine: Machine, jobs: QuerySet[Job], *, most: int, before: dt.datetime | None = None) -> list[Line]:
    """The newest `most` lines before a moment, with who was on its console. `jobs`: those that the person may see, of this machine."""
    events = machine.events.filter(at__lt=before) if before else machine.events.all()
    jobs = jobs.filter(created_at__lt=before) if before else jobs
    visits = [_visit(visit) for visit in company.past(machine, before, most)]
    happened = merged(events.order_by("-id")[:most], jobs.order_by("-id")[:most], most=most)
    return sorted([*happened, *visits], key=lambda line: line.at, reverse=True)[:most]


def merged(events: Iterable[Event], jobs: Iterable[Job], *, most: int) -> list[Line]:
    """Events and jobs as lines, newest first. A job that was done and whose effect is told already has no line of its own."""
    events = list(events)
    told = {event.job_id for event in events}
    others = [job for job in jobs if job.state != JobState.DONE or job.pk not in told]
    return sorted([*map(_event, events), *map(_job, others)], key=lambda line: line.at, reverse=True)[:most]


def versions(machine: Machine, most: int = 50) -> list[Definition]:
    """The definitions seen so far, newest first, without their text."""
    return list(machine.definitions.defer("xml").order_by("-id")[:most])


def before(definition: Definition) -> Definition | None:
    """The version that this one followed."""
    return Definition.objects.filter(machine_id=definition.machine_id, pk__lt=definition.pk).order_by("-pk").first()


def diff(old: str, new: str) -> list[Change]:
    """What changed from one text to the other, with three lines around; cut after so many lines that nobody reads them."""
    return list(islice(_diff(old, new), _LONGEST_DIFF))


def _diff(old: str, new: str) -> Iterator[Change]:
    lines_of_names = 2
    for text in islice(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=3), lines_of_names, None):
        yield Change("@", "") if text.startswith("@@") else Change(text[:1] or " ", text[1:])


def _event(event: Event) -> Line:
    if not event.job_id:
        return Line(event.at, event.words, event.actor)
    return Line(event.at, event.words, event.actor, url=reverse("jobs:job", args=[event.job_id]), link=_("log"))


def _visit(visit: Visit) -> Line:
    words = _("Watched its console by %(kind)s") if visit.view_only else _("On its console by %(kind)s")
    lasted = f", {duration((visit.until - visit.since).total_seconds())}" if visit.until else ""
    return Line(visit.since, words % {"kind": visit.by} + lasted, visit.who, kind="" if visit.until else "now")


def _job(job: Job) -> Line:
    return Line(
        job.created_at,
        _job_words(job),
        job.asked_by_name,
        kind="now" if job.is_active else "err" if job.state in _FAILED else "",
        url=reverse("jobs:job", args=[job.pk]),
        link=_("log"),
        detail=job.error if job.state in _FAILED else "",
    )


def _job_words(job: Job) -> str:
    words: dict[Any, str] = {
        JobState.QUEUED: _("%(title)s: waits its turn"),
        JobState.RUNNING: _("%(title)s: running"),
        JobState.DONE: _("%(title)s: done"),
        JobState.FAILED: _("%(title)s: failed"),
        JobState.CANCELLED: _("%(title)s: cancelled"),
        JobState.INTERRUPTED: _("%(title)s: interrupted"),
    }
    return words[job.state] % {"title": job.title}
