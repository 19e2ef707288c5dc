"""Writing the audit log: append-only, each entry chained to the one before by its hash."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import AuditEntry, User

_CHAIN_LOCK = 0x57_56_41_55  # any number of ours, for PostgreSQL's advisory lock
_BEGINNING = "0" * 64
_request: ContextVar[HttpRequest | None] = ContextVar("audit_request", default=None)


def record(
    action: str,
    subject: str = "",
    *,
    actor: User | None = None,
    request: HttpRequest | None = None,
    address: str = "",
    result: str = "done",
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry: `actor`, else the person who sent the request, did `action` to `subject`.

    `request` is by default the one that is being answered; the address is taken from it, unless one is given. `detail` must hold no secret.
    """
    request = request or _request.get()
    person = actor or _person_of(request)
    entry = AuditEntry(
        at=timezone.now(),
        actor_id=person.pk if person else None,
        actor=person.username if person else "",
        address=_address_in(address) if address else _address_of(request),
        action=action[:64],
        subject=_printable(subject)[:200],
        result=result,
        detail=detail or {},
    )
    with transaction.atomic():
        _one_writer_at_a_time()
        last = AuditEntry.objects.order_by("-id").values_list("digest", flat=True).first()
        entry.previous = last or _BEGINNING
        entry.digest = digest_of(entry)
        entry.save(force_insert=True)
    return entry


@contextmanager
def during(request: HttpRequest) -> Iterator[None]:
    """Entries written inside tell who sent this request, and from where."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def first_broken(entries: Iterable[AuditEntry] | None = None) -> int | None:
    """The id of the first entry that does not follow from the one before, or None when the chain is whole.

    `entries`: a part of the chain without holes, oldest first; by default all of it.
    """
    previous = _BEGINNING if entries is None else None
    for entry in AuditEntry.objects.order_by("id").iterator() if entries is None else entries:
        if previous not in (None, entry.previous) or digest_of(entry) != entry.digest:
            return entry.pk
        previous = entry.digest
    return None


def digest_of(entry: AuditEntry) -> str:
    """SHA-256 over the entry's content and its predecessor's hash."""
    content = [
        entry.previous,
        entry.at.isoformat(),
        entry.actor_id,
        entry.actor,
        entry.address,
        entry.action,
        entry.subject,
        entry.result,
        entry.detail,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _person_of(request: HttpRequest | None) -> User | None:
    user = getattr(request, "user", None)
    return user if isinstance(user, User) else None


def _address_of(request: HttpRequest | None) -> str | None:
    return _address_in(request.META.get("REMOTE_ADDR", "")) if request else None


def _address_in(text: str) -> str | None:
    """As the database gives it back: the hash covers that form. None for a peer without one (a unix socket)."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def _printable(text: str) -> str:
    """Names come from outside; PostgreSQL refuses NUL, and a log line must stay one line."""
    return "".join(character if character.isprintable() else " " for character in text)


def _one_writer_at_a_time() -> None:
    """SQLite's IMMEDIATE transactions are alone already; PostgreSQL needs a lock for the chain."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN_LOCK])
