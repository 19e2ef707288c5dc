"""Tickets: what a page gets to open one socket of a console with. Random, used once, good for half a minute, bound to all that counts.

Kept in Redis under their hash: who could read Redis could not use them. A ticket travels in the header
Sec-WebSocket-Protocol, which no proxy writes into its log.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from typing import cast

from live.metrics import store

SECONDS = 30
LONGEST = 64


@dataclass(frozen=True)
class Ticket:
    """What its bearer may open.

    host_id    where the machine was when it was issued: after a migration the page asks again
    session    the key of the ConsoleSession that the socket belongs to
    login      fingerprint of the web session, or of the API token, by which it was asked for
    by_token   which of the two
    force      take a serial line from whoever holds it beside us, a SPICE screen from whoever is on it
    """

    user_id: int
    machine_id: int
    host_id: int
    kind: str
    view_only: bool
    session: str
    login: str
    by_token: bool = False
    port: int = 0
    share_id: int | None = None
    force: bool = False


def issue(ticket: Ticket) -> str:
    """Keep the ticket and return its text; raises redis.RedisError while Redis is away."""
    text = secrets.token_urlsafe(32)
    store().set(_name(text), json.dumps(asdict(ticket)), ex=SECONDS)
    return text


def take(text: str) -> Ticket | None:
    """The ticket, which is thereby used up; None for one that never was, was used or is too old."""
    if not text or len(text) > LONGEST:
        return None
    kept = cast(bytes | None, store().getdel(_name(text)))
    return Ticket(**json.loads(kept)) if kept else None


def login_of_session(session_key: str) -> str:
    """The fingerprint of a web session: the key itself is in no ticket."""
    return hashlib.sha256(b"session:" + session_key.encode()).hexdigest()


def _name(text: str) -> str:
    return "wv:ticket:" + hashlib.sha256(text.encode()).hexdigest()
