"""What a person may ask of a console, from a page and by the API alike. Refusals say why."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, cast

import redis
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from consoles import displays, sessions, tickets
from consoles.access import Opening
from consoles.models import ConsoleSession, Kind
from jobs.submit import Refused
from live.metrics import store

SOCKET = "/consoles/socket/"
MOST_AT_ONCE = 8
_MOST_A_MINUTE = 240


@dataclass(frozen=True)
class Login:
    """By what the person is known: a web session, or a token of the API."""

    fingerprint: str
    by_token: bool = False


@dataclass(frozen=True)
class Wish:
    """What a page asks for.

    session  of one's own open console, to add sockets to it; "" begins a new one
    count    tickets wanted: SPICE takes a socket a channel
    force    take the line away from a client beside us (virsh console), or a SPICE screen from a colleague
    """

    kind: str
    view_only: bool = False
    session: str = ""
    count: int = 1
    port: int = 0
    force: bool = False


def ask(user: User, opening: Opening, wish: Wish, login: Login) -> dict[str, Any]:
    """Tickets, and all that a page needs to use them. Raises Refused, PermissionDenied."""
    machine = opening.machine
    if not wish.view_only and not opening.may_act:
        audit.record("consoles.refused", machine.name, actor=user, result="refused", detail={"why": "may only watch"})
        raise PermissionDenied(_("You may watch this console, not act on it."))
    _refuse_what_cannot_be(opening, wish)
    _refuse_too_many(user, opening, wish)
    key = wish.session or secrets.token_hex(16)
    ticket = tickets.Ticket(
        user_id=user.pk,
        machine_id=machine.pk,
        host_id=machine.host_id,
        kind=wish.kind,
        view_only=wish.view_only,
        session=key,
        login=login.fingerprint,
        by_token=login.by_token,
        port=wish.port,
        share_id=opening.share.pk if opening.share else None,
        force=wish.force and not wish.view_only,
    )
    if not wish.session and (words := sessions.why_not_beside(ticket)):
        raise Refused(words)
    try:
        issued = [tickets.issue(ticket) for _n in range(wish.count)]
    except redis.RedisError as exc:
        raise Refused(_("The portal's memory does not answer. Try again in a moment.")) from exc
    return {
        "tickets": issued,
        "session": key,
        "socket": SOCKET,
        "kind": wish.kind,
        "view_only": wish.view_only,
        "expires_in": tickets.SECONDS,
        "display": {"kind": wish.kind, "serial_port": wish.port, "host": machine.host.name, "machine": machine.name},
    }


def state(user: User, opening: Opening) -> dict[str, Any]:
    """Everything that a console page shows around the picture."""
    machine, host = opening.machine, opening.machine.host
    offers = displays.offers(machine)
    why = why_not(opening)
    return {
        "machine": {
            "id": machine.pk,
            "name": machine.name,
            "state": machine.state,
            "state_label": machine.get_state_display(),
            "active": machine.is_active,
            "stale": machine.is_stale,
            "gone": machine.gone_at is not None,
            "host": {"id": host.pk, "name": host.name, "state": host.state},
        },
        "kinds": [{"kind": offer.kind, "label": offer.label, "serial_port": offer.port, "available": not why} for offer in offers],
        "best": offers[0].kind if offers else "",
        "why": why,
        "hardware": "" if offers else f"/machines/{machine.pk}/hardware/",
        "may": {"watch": True, "act": opening.may_act, "share": not opening.share, "power": opening.may_power},
        "people": [_person(session, user) for session in sessions.on_machine(machine)],
        "topic": f"console:{machine.pk}",
    }


def why_not(opening: Opening) -> str:
    """Why no console can be opened now, in words for the person; "" when one can."""
    machine = opening.machine
    if machine.gone_at:
        return _("The machine is gone.")
    if machine.is_stale:
        return _("The host %(host)s does not answer: %(why)s") % {"host": machine.host.name, "why": machine.host.error or machine.host.get_state_display()}
    if not machine.is_active:
        return _("The machine is off.")
    if not displays.offers(machine):
        return _("The machine has neither a screen nor a serial line.")
    return ""


def _refuse_what_cannot_be(opening: Opening, wish: Wish) -> None:
    if wish.kind not in Kind.values:
        raise Refused(_("There is no console of this kind."))
    if not 1 <= wish.count <= MOST_AT_ONCE:
        raise Refused(_("From one to %(most)d tickets at once.") % {"most": MOST_AT_ONCE})
    if why := why_not(opening):
        raise Refused(why)
    if not displays.offered(opening.machine, wish.kind, wish.port):
        raise Refused(_("The machine has no such display."))


def _refuse_too_many(user: User, opening: Opening, wish: Wish) -> None:
    machine = opening.machine
    if wish.session:
        mine = sessions.open_now().filter(key=wish.session, user=user, machine=machine, kind=wish.kind, serial_port=wish.port, view_only=wish.view_only)
        if not mine.exists():
            raise Refused(_("This console is not open any more."))
    elif words := sessions.why_too_many(user.pk, machine.pk):
        audit.record("consoles.refused", machine.name, actor=user, result="refused", detail={"why": words})
        raise Refused(words)
    _refuse_flood(user)


def _refuse_flood(user: User) -> None:
    """A page that reconnects asks a few times a minute; a script that asks without end fills Redis."""
    name = f"wv:tickets-of:{user.pk}"
    try:
        pipe = store().pipeline()
        pipe.incr(name)
        pipe.expire(name, 60, nx=True)
        asked = cast(int, pipe.execute()[0])
    except redis.RedisError:
        return
    if asked > _MOST_A_MINUTE:
        raise Refused(_("Too many consoles were asked for. Wait a minute."))


def _person(session: ConsoleSession, viewer: User) -> dict[str, Any]:
    return {
        "name": session.user.display_name if session.user else session.person,
        "username": session.person,
        "me": session.user_id == viewer.pk,
        "session": session.key if session.user_id == viewer.pk else "",
        "kind": session.kind,
        "view_only": session.view_only,
        "since": session.opened_at.isoformat(),
        "via_share": session.share_id is not None,
    }


def link_of(token: str) -> str:
    return reverse("consoles:shared", args=[token])
