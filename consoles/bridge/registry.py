"""The consoles that this process carries now, and the rows that say so."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import transaction

from accounts.models import User
from consoles import sessions
from consoles.bridge.claims import Claim
from consoles.bridge.closing import Closing, Code
from consoles.bridge.pump import Pump
from consoles.models import ConsoleSession
from consoles.sessions import Traffic
from consoles.tickets import Ticket
from machines.models import Machine

MOST = 400  # sockets in all; more bridges carry more


@dataclass(eq=False)
class Console:
    """One open socket of a session."""

    claim: Claim
    pump: Pump


@dataclass(eq=False)
class _Session:
    """`row`: from the moment when its first display is reached."""

    ticket: Ticket
    row: ConsoleSession | None = None
    consoles: set[Console] = field(default_factory=set)
    sockets: int = 0  # those that are being opened too
    shown: int = 0  # by sockets that have closed
    typed: int = 0

    @property
    def traffic(self) -> Traffic:
        return Traffic(self.shown + sum(c.pump.shown for c in self.consoles), self.typed + sum(c.pump.typed for c in self.consoles))


class Registry:
    """Thread-safe. A session's row begins with its first socket and ends with its last."""

    def __init__(self, bridge: str) -> None:
        self.bridge = bridge
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._leaving = False
        self.turnover = 0  # consoles that were opened or closed

    def enter(self, ticket: Ticket) -> None:
        """Reserve a place for one more socket. Raises Closing where there is none."""
        with self._lock:
            self._refuse_too_many(ticket)
            self._sessions.setdefault(ticket.session, _Session(ticket)).sockets += 1

    def carry(self, ticket: Ticket, console: Console, user: User, machine: Machine, address: str) -> None:
        """The display is reached: the console is open."""
        with self._lock:
            session = self._sessions[ticket.session]
            if session.row is None:
                with transaction.atomic():
                    session.row = sessions.begin(ticket, user, machine, address=address, bridge=self.bridge)
            session.consoles.add(console)
            self.turnover += 1
        if self._leaving:
            console.pump.end(_GOING)

    def leave(self, ticket: Ticket, console: Console | None, why: str) -> None:
        """Give the place back; the last socket closes the row."""
        with self._lock:
            session = self._sessions[ticket.session]
            session.sockets -= 1
            self.turnover += 1
            if console in session.consoles:
                session.consoles.discard(console)
                session.shown += console.pump.shown
                session.typed += console.pump.typed
            if session.sockets:
                return
            del self._sessions[ticket.session]
        if session.row:
            sessions.end(session.row, session.traffic, why)

    def consoles(self) -> list[Console]:
        with self._lock:
            return [console for session in self._sessions.values() for console in session.consoles]

    def traffic(self) -> dict[int, Traffic]:
        """What each open row has carried so far."""
        with self._lock:
            return {session.row.pk: session.traffic for session in self._sessions.values() if session.row}

    def end_all(self) -> None:
        """The bridge goes down."""
        self._leaving = True
        for console in self.consoles():
            console.pump.end(_GOING)

    def is_about(self, machine_ids: Iterable[int]) -> bool:
        wanted = set(machine_ids)
        return any(console.claim.machine_id in wanted for console in self.consoles())

    def _refuse_too_many(self, ticket: Ticket) -> None:
        if self._leaving:
            raise _GOING
        if sum(session.sockets for session in self._sessions.values()) >= MOST:
            raise Closing(Code.LIMIT, "The portal carries as many consoles as it can. Try again later.")
        session = self._sessions.get(ticket.session)
        if session is None:
            coming = [each.ticket for each in self._sessions.values() if each.row is None]
            if words := sessions.why_too_many(ticket.user_id, ticket.machine_id, coming):
                raise Closing(Code.LIMIT, words)
            if words := sessions.why_not_beside(ticket):
                raise Closing(Code.LIMIT, words)
        elif (session.ticket.user_id, session.ticket.machine_id) != (ticket.user_id, ticket.machine_id):
            raise Closing(Code.TICKET, "The ticket belongs to another console.")
        elif session.sockets >= sessions.MOST_SOCKETS_OF_A_SESSION:
            raise Closing(Code.LIMIT, "This console has too many channels open.")


_GOING = Closing(Code.GOING_AWAY, "The portal's console service restarts.")
