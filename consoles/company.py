"""Who is and was on a machine's console, for the machine's own page (machines/company.py)."""

from __future__ import annotations

import datetime as dt

from consoles import sessions
from consoles.models import ConsoleSession
from machines.company import Visit
from machines.models import Machine


def now(machine: Machine) -> list[Visit]:
    return [_visit(session) for session in sessions.on_machine(machine)]


def past(machine: Machine, before: dt.datetime | None, most: int) -> list[Visit]:
    found = ConsoleSession.objects.filter(machine=machine).select_related("user").order_by("-id")
    return [_visit(session) for session in (found.filter(opened_at__lt=before) if before else found)[:most]]


def _visit(session: ConsoleSession) -> Visit:
    who = session.user.display_name if session.user else session.person
    return Visit(who, session.get_kind_display(), session.view_only, session.opened_at, session.closed_at, session.closed_why)
