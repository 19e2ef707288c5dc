"""Rows of who is on which console: opened and closed by the bridge, read by everybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from accounts import audit
from accounts.models import User
from consoles.models import ConsoleSession, ConsoleShare, Kind
from consoles.tickets import Ticket
from live import facts
from machines import access as machines_access
from machines.models import Machine

# Without a sign of life for so long its bridge is dead, and so is the console.
LOST = timedelta(seconds=45)
KEPT = timedelta(days=365)
SHARES_KEPT = timedelta(days=30)

MOST_OF_A_PERSON = 24
MOST_OF_A_MACHINE = 16
MOST_SOCKETS_OF_A_SESSION = 12


@dataclass(frozen=True)
class Traffic:
    """Bytes to the browser, and from it to the machine."""

    shown: int = 0
    typed: int = 0


def open_now() -> QuerySet[ConsoleSession]:
    return ConsoleSession.objects.filter(closed_at=None, seen_at__gt=timezone.now() - LOST)


def on_machine(machine: Machine) -> QuerySet[ConsoleSession]:
    """Who is on it now, the first comer first."""
    return open_now().filter(machine=machine).select_related("user", "share").order_by("id")


def seen_by(user: User) -> QuerySet[ConsoleSession]:
    """Who is on which console, of the machines that the person may see; the newest first. Live topic: "consoles"."""
    return open_now().filter(machine__in=machines_access.visible(user)).select_related("user", "machine__host").order_by("-id")


def why_too_many(user_id: int, machine_id: int, coming: Sequence[Ticket] = ()) -> str:
    """The limit that one more console would break, in words; "" for none. `coming`: let in, but not open yet."""
    if open_now().filter(user_id=user_id).count() + sum(ticket.user_id == user_id for ticket in coming) >= MOST_OF_A_PERSON:
        return f"You have {MOST_OF_A_PERSON} consoles open. Close one first."
    if open_now().filter(machine_id=machine_id).count() + sum(ticket.machine_id == machine_id for ticket in coming) >= MOST_OF_A_MACHINE:
        return f"{MOST_OF_A_MACHINE} people are on this machine's console already."
    return ""


def why_not_beside(ticket: Ticket) -> str:
    """SPICE throws out who is on it when somebody else comes: that is done on purpose (`force`) or not at all."""
    if ticket.kind != Kind.SPICE or ticket.force:
        return ""
    other = open_now().filter(machine_id=ticket.machine_id, kind=Kind.SPICE).exclude(key=ticket.session).first()
    return f"{other.person} is on this screen, and SPICE shows it to one person at a time. It can be taken over." if other else ""


# ── for the bridge ──


def begin(ticket: Ticket, user: User, machine: Machine, *, address: str, bridge: str) -> ConsoleSession:
    session = ConsoleSession.objects.create(
        key=ticket.session,
        machine=machine,
        user=user,
        person=user.username,
        address=address or None,
        kind=ticket.kind,
        serial_port=ticket.port,
        view_only=ticket.view_only,
        share_id=ticket.share_id,
        bridge=bridge,
    )
    detail = {"by": session.get_kind_display(), "view only": ticket.view_only, **({"share": ticket.share_id} if ticket.share_id else {})}
    audit.record("consoles.opened", machine.name, actor=user, address=address, detail=detail)
    _changed(session, machine.host_id)
    return session


def end(session: ConsoleSession, traffic: Traffic, why: str) -> None:
    """Close the row, once, whoever comes first."""
    now = timezone.now()
    ended = {"closed_at": now, "seen_at": now, "closed_why": why[:200], "bytes_shown": traffic.shown, "bytes_typed": traffic.typed}
    if not ConsoleSession.objects.filter(pk=session.pk, closed_at=None).update(**ended):
        return
    seconds = round((now - session.opened_at).total_seconds())
    detail = {"seconds": seconds, "bytes shown": traffic.shown, "bytes typed": traffic.typed, "why": why}
    actor = session.user if session.user_id else None
    audit.record("consoles.closed", session.machine.name, actor=actor, address=session.address or "", detail=detail)
    _changed(session, session.machine.host_id)


def still_open(traffic_of: dict[int, Traffic]) -> None:
    """A sign of life of these rows (by id), with what they have carried so far."""
    rows = [ConsoleSession(pk=pk, seen_at=timezone.now(), bytes_shown=t.shown, bytes_typed=t.typed) for pk, t in traffic_of.items()]
    ConsoleSession.objects.bulk_update(rows, ["seen_at", "bytes_shown", "bytes_typed"], batch_size=100)


def end_of_the_dead(bridge: str = "") -> int:
    """Close the rows of bridges that died: those of `bridge`'s former life, and all that were not seen for too long."""
    left = ConsoleSession.objects.filter(closed_at=None)
    left = left.filter(bridge=bridge) if bridge else left.filter(seen_at__lte=timezone.now() - LOST)
    return _end_all(left.select_related("machine", "user"))


def forget_old() -> None:
    """Who was on what a year ago is in the audit log, if anybody asks; an invitation that ended a month ago opens nothing."""
    now = timezone.now()
    ConsoleSession.objects.filter(closed_at__lt=now - KEPT).delete()
    ConsoleShare.objects.filter(until__lt=now - SHARES_KEPT).delete()


def _end_all(left: Iterable[ConsoleSession]) -> int:
    ended = 0
    for session in left:
        end(session, Traffic(session.bytes_shown, session.bytes_typed), "the bridge ended")
        ended += 1
    return ended


def _changed(session: ConsoleSession, host_id: int) -> None:
    facts.publish([f"console:{session.machine_id}", "consoles"], "people", host_id=host_id, machine_id=session.machine_id)
