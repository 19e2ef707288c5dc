"""Writing the audit log: append-only, each entry chained to the one before by its hash."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import AuditEntry, User

_CHAIN_LOCK = 0x57_56_41_55  # any number of ours, for PostgreSQL's advisory lock


def record(
    action: str,
    subject: str = "",
    *,
    actor: User | None = None,
    request: HttpRequest | None = None,
    result: str = "done",
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry. `detail` must hold no secret."""
    person = actor or _person_of(request)
    entry = AuditEntry(
        at=timezone.now(),
        actor_id=person.pk if person else None,
        actor=person.username if person else "",
        address=request.META.get("REMOTE_ADDR") or None if request else None,
        action=action,
        subject=subject[:200],
        result=result,
        detail=detail or {},
    )
    with transaction.atomic():
        _one_writer_at_a_time()
        last = AuditEntry.objects.order_by("-id").values_list("digest", flat=True).first()
        entry.previous = last or "0" * 64
        entry.digest = digest_of(entry)
        entry.save(force_insert=True)
    return entry


def first_broken() -> int | None:
    """The id of the first entry that does not follow from the one before, or None when the chain is whole."""
    previous = "0" * 64
    for entry in AuditEntry.objects.order_by("id").iterator():
        if entry.previous != previous or digest_of(entry) != entry.digest:
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


def _one_writer_at_a_time() -> None:
    """SQLite's IMMEDIATE transactions are alone already; PostgreSQL needs a lock for the chain."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN_LOCK])
