"""Consoles by the API: the same tickets as the page gets, for programs that speak websocket themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import Field

from accounts.api import person
from accounts.models import User
from accounts.setup import digest
from consoles import access, actions, sessions, shares
from consoles.views.tickets import shown
from jobs.api import Id
from jobs.submit import Refused

router = Router()  # below /machines
own_router = Router()  # below /consoles


class TicketsIn(Schema):
    kind: Literal["vnc", "spice", "serial"] = "vnc"
    view_only: bool = False
    session: str = Field("", max_length=32, description="of an open console, to add sockets to it")
    count: int = Field(1, ge=1, le=actions.MOST_AT_ONCE)
    serial_port: int = Field(0, ge=0, le=99)
    force: bool = Field(False, description="take the line, or the SPICE screen, from who is on it")


class TicketsOut(Schema):
    """Open `socket` within `expires_in` seconds, with the header `Sec-WebSocket-Protocol: binary, ticket.<ticket>` and the same Authorization."""

    tickets: list[str]
    session: str
    socket: str
    kind: str
    view_only: bool
    expires_in: int
    display: dict[str, Any]


class ShareIn(Schema):
    minutes: int = Field(60, ge=1, le=shares.LONGEST_MINUTES)
    view_only: bool = True
    to: str = Field("", max_length=150, description="a person's name; empty: whoever is signed in and has the link")


@router.get("/{machine_id}/console", response=dict[str, Any], summary="What its console offers, and who is on it")
def read_console(request: HttpRequest, machine_id: Id) -> dict[str, Any]:
    user = person(request)
    return actions.state(user, access.opening(user, machine_id))


@router.post("/{machine_id}/console", response={201: TicketsOut}, summary="Tickets for its console")
def ask_console(request: HttpRequest, machine_id: Id, wish: TicketsIn) -> tuple[int, dict[str, Any]]:
    """Needs the role console, or viewer for `view_only`. 409 when the machine is off, has no such display, or there are too many."""
    user = person(request)
    text = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    asked = actions.Wish(wish.kind, wish.view_only, wish.session, wish.count, wish.serial_port, wish.force)
    return 201, actions.ask(user, access.opening(user, machine_id), asked, actions.Login(digest(text), by_token=True))


@router.post("/{machine_id}/console/shares", response={201: dict[str, Any]}, summary="Invite somebody to its console")
def share_console(request: HttpRequest, machine_id: Id, wish: ShareIn) -> tuple[int, dict[str, Any]]:
    user = person(request)
    machine = access.to_share(user, machine_id, view_only=wish.view_only)
    invited = User.objects.filter(username=wish.to, is_active=True).first() if wish.to else None
    if wish.to and invited is None:
        raise Refused("There is nobody of this name.")
    share, token = shares.make(user, machine, minutes=wish.minutes, view_only=wish.view_only, invited=invited)
    return 201, {"share": shown(share, user.pk), "link": request.build_absolute_uri(actions.link_of(token))}


class OpenOut(Schema):
    machine_id: int
    machine: str
    host: str
    person: str
    kind: str
    view_only: bool
    since: datetime
    address: str | None


@own_router.get("", response=list[OpenOut], summary="Who is on which console")
def list_consoles(request: HttpRequest) -> list[OpenOut]:
    """Of machines that I may see. Addresses are for administrators."""
    user = person(request)
    return [
        OpenOut(
            machine_id=session.machine_id,
            machine=session.machine.name,
            host=session.machine.host.name,
            person=session.person,
            kind=session.kind,
            view_only=session.view_only,
            since=session.opened_at,
            address=session.address if user.is_administrator else None,
        )
        for session in sessions.seen_by(user)
    ]


@own_router.delete("/shares/{share_id}", response={204: None}, summary="Revoke an invitation")
def revoke_share(request: HttpRequest, response: HttpResponse, share_id: Id) -> tuple[int, None]:
    user = person(request)
    shares.revoke(user, access.share_to_revoke(user, share_id))
    return 204, None
