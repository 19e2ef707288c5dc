"""One browser's socket: let in or not, connected to its display, carried to its end. A thread each."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.db import DatabaseError
from django.http import parse_cookie
from websockify.websockifyserver import WebSockifyRequestHandler

from accounts import audit, tokens
from accounts.models import User
from accounts.setup import digest
from consoles import actions, tickets
from consoles.bridge import reach, rfb, spice
from consoles.bridge.aside import aside
from consoles.bridge.claims import Claim, refused
from consoles.bridge.closing import Closing, Code
from consoles.bridge.framing import BrowserSocket, Garbage
from consoles.bridge.handed import HandedSocket, is_loopback
from consoles.bridge.pump import DisplayGone, Pump, Sieve, say_farewell
from consoles.bridge.registry import Console
from consoles.models import Kind
from consoles.tickets import Ticket
from live.origin import is_ours
from machines.models import Machine

if TYPE_CHECKING:
    from consoles.bridge.server import Bridge

logger = logging.getLogger(__name__)

_MARK = "ticket."


@dataclass(frozen=True)
class _Opened:
    """A console whose display is reached. `run`: of the machine; `typed`: what the browser has said to the display already."""

    ticket: Ticket
    machine: Machine
    run: int
    display: socket.socket
    console: Console
    typed: bytes


class Handler(WebSockifyRequestHandler):
    """websockify's handler, with our doorkeeper: what it may reach is decided here, for this socket alone."""

    SocketClass = BrowserSocket
    timeout = 10  # seconds for each part of the handshake; the guard ends one that takes long in all
    server: Bridge
    request: Any

    # ── the handshake ──

    def setup(self) -> None:
        """A socket that the web process handed over comes with the request that was read from it already."""
        # A keystroke's answer is not held back to be sent together with more.
        self.disable_nagle_algorithm = self.request.family != socket.AF_UNIX
        super().setup()
        head = getattr(self.request, "head", b"")
        if head:
            self.rfile = io.BufferedReader(io.BytesIO(head))

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, b"alive\n")
        else:
            self._answer(404, b"Nothing is here.\n")

    do_HEAD = do_GET

    def handle_upgrade(self) -> None:
        """Whoever does not come from a page of ours is not let in; all others are told why by a closing code."""
        self.server.handshakes.discard(self.connection)
        if self.path != actions.SOCKET:
            self._answer(404, b"Nothing is here.\n")
            return
        origin = self.headers.get("Origin", "")
        by_token = bool(self.headers.get("Authorization"))
        if not (is_ours(origin, self.headers.get("Host", "")) or (by_token and not origin)):
            logger.info("a socket from %s was refused: its origin is %r", self._address, origin[:200])
            self._answer(403, b"Not from here.\n")
            return
        websocket = BrowserSocket(self)
        try:
            websocket.accept(self.request, self.headers)
        except Exception as exc:
            logger.debug("no websocket: %s", exc)
            self._answer(400, b"No websocket of ours.\n")
            return
        self.request, self.close_connection = websocket, True
        self.handle_websocket()

    def _answer(self, status: int, body: bytes) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    # ── the console ──

    def handle_websocket(self) -> None:
        """Let in, connect, carry, say good-bye."""
        try:
            closing = self._console()
        except Closing as refusal:
            closing = refusal
        except Garbage as exc:
            closing = Closing(Code.NORMAL, str(exc))
        except (redis.RedisError, DatabaseError) as exc:
            logger.warning("no console, the portal's memory does not answer: %s", exc)
            closing = Closing(Code.UNREACHABLE, "The portal's memory does not answer. Try again in a moment.")
        except OSError as exc:
            closing = Closing(Code.NORMAL, f"The browser went away: {exc}")
        except Exception:
            logger.exception("a console stumbled")
            closing = Closing(Code.UNREACHABLE, "The console service made a mistake. It is in its log.")
        say_farewell(self.request, closing)

    def _console(self) -> Closing:
        opened = aside(self._open)
        ended = Closing(Code.NORMAL, "The browser went away.")
        try:
            with contextlib.closing(opened.display):
                ended = opened.console.pump.run(opened.typed)
        finally:
            ended = aside(lambda: self._close(opened, ended))
        return ended

    def _open(self) -> _Opened:
        """Everything up to where bytes are only carried. Raises Closing, after the place is given back."""
        ticket, user, claim = self._admit()
        machine = Machine.objects.select_related("host").get(pk=ticket.machine_id)
        try:
            self.server.registry.enter(ticket)
        except Closing as refusal:
            self._note(machine.name, user, refusal.words)
            raise
        console: Console | None = None
        why = "The browser went away."
        with contextlib.ExitStack() as undoing:
            undoing.callback(lambda: self.server.registry.leave(ticket, console, why))
            try:
                reached = self._reach(ticket, machine)
                undoing.callback(reached.socket.close)
                display, typed, sieve = self._introduce(reached, ticket)
                undoing.callback(display.close)
                console = Console(claim, Pump(self.request, display, sieve))
                self.server.registry.carry(ticket, console, user, machine, self._address)
            except Closing as refusal:
                why = refusal.words
                self._note(machine.name, user, why)
                raise
            undoing.pop_all()
        return _Opened(ticket, machine, reached.run, display, console, typed)

    def _close(self, opened: _Opened, ended: Closing) -> Closing:
        try:
            if isinstance(ended, DisplayGone):
                ended = reach.why_gone(opened.machine, opened.run)
        finally:
            self.server.registry.leave(opened.ticket, opened.console, ended.words)
        return ended

    def _reach(self, ticket: Ticket, machine: Machine) -> reach.Reached:
        if ticket.kind == Kind.SERIAL:
            return reach.sit_down(machine, ticket.port, force=ticket.force)
        return reach.reach(machine, ticket.kind)

    def _admit(self) -> tuple[Ticket, User, Claim]:
        """1. The ticket, used up by being shown. 2. By whom it was asked for. 3. What its person may, now."""
        ticket = tickets.take(self._ticket_text())
        if ticket is None:
            self.server.note_refusal(self._address)
            raise Closing(Code.TICKET, "The ticket is used, too old or was never one.")
        user = User.objects.filter(pk=ticket.user_id).first()
        login = self._login(ticket)
        if user is None or login is None:
            self._note(_name(ticket), user, "another sign-in")
            raise Closing(Code.TICKET, "The ticket belongs to another sign-in.")
        claim = Claim(user.pk, login, ticket.by_token, ticket.machine_id, ticket.host_id, ticket.view_only, ticket.share_id)
        if closing := refused([claim]).get(claim):
            self._note(_name(ticket), user, closing.words)
            raise closing
        return ticket, user, claim

    def _ticket_text(self) -> str:
        offered = [word.strip() for word in self.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        return next((word.removeprefix(_MARK) for word in offered if word.startswith(_MARK)), "")

    def _login(self, ticket: Ticket) -> str | None:
        """What the browser (or the API's client) shows of the sign-in that the ticket was asked by; None for another one."""
        if ticket.by_token:
            text = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
            is_theirs = bool(text) and digest(text) == ticket.login and tokens.person_of(text) is not None
            return ticket.login if is_theirs else None
        key = _cookie(self.headers.get_all("Cookie") or [], settings.SESSION_COOKIE_NAME)
        return key if key and tickets.login_of_session(key) == ticket.login else None

    def _introduce(self, reached: reach.Reached, ticket: Ticket) -> tuple[socket.socket, bytes, Sieve | None]:
        """The beginning of the protocol, where the display's password is ours to know and not the browser's.

        The display from now on, what the browser has said after it, and what stands between the two.
        """
        display = reached.socket
        display.settimeout(self.timeout)
        browser = _Reader(self.request)
        sieve: Sieve | None
        if ticket.kind == Kind.VNC:
            display = rfb.sign_in(display, reached.password, reached.trust)
            rfb.let_in(self._show, browser.exactly)
            rfb.say(display, rfb.client_init(browser.exactly(1)))
            sieve = rfb.WatcherSieve() if ticket.view_only else None
        elif ticket.kind == Kind.SPICE:
            sieve = spice.link(self._show, browser.exactly, display, reached.password, view_only=ticket.view_only)
        else:
            sieve = (lambda _typed: b"") if ticket.view_only else None
        return display, browser.rest, sieve

    def _show(self, data: bytes) -> None:
        self.request.show(memoryview(data))

    def _note(self, machine: str, user: User | None, why: str) -> None:
        audit.record("consoles.refused", machine, actor=user, address=self._address, result="refused", detail={"why": why})

    @property
    def _address(self) -> str:
        """The person's, as the proxy in front of us tells it where there is one: on this machine, or in front of our own port."""
        peer = str(self.client_address[0]) if self.client_address else ""
        is_proxy = settings.BEHIND_TLS and (not isinstance(self.connection, HandedSocket) or is_loopback(peer))
        told = self.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() if is_proxy else ""
        return told or peer

    def log_message(self, format: str, *args: Any) -> None:
        """Never the path or a header: what a stranger sends is not for the log."""
        logger.debug("a socket of %s", self.client_address)


class _Reader:
    """Reads a browser's messages as a stream, while it still waits for one."""

    def __init__(self, browser: BrowserSocket) -> None:
        self._browser = browser
        self.rest = b""

    def exactly(self, size: int) -> bytes:
        while len(self.rest) < size:
            messages = self._browser.messages()
            if messages is None:
                raise Closing(Code.NORMAL, "The browser went away.")
            self.rest += b"".join(messages)
        wanted, self.rest = self.rest[:size], self.rest[size:]
        return wanted


def _cookie(headers: list[str], name: str) -> str:
    """Read as Django reads it: the page and its socket are of the same sign-in."""
    return str(parse_cookie("; ".join(headers)).get(name, ""))


def _name(ticket: Ticket) -> str:
    return Machine.objects.filter(pk=ticket.machine_id).values_list("name", flat=True).first() or ""
