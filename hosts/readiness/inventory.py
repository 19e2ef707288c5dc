"""What a host shows of its readiness, into its row. The watcher alone comes here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from hosts.readiness import checks
from hosts.readiness.models import HostReadiness
from live import facts
from virt import readiness
from virt.connection import Connection
from virt.facts import HostFacts

NAME = "readiness"
# Modules, packages and firmware settings come and go without an event; a person who mends something asks for a look.
PERIOD_SECONDS = 900.0


@dataclass(frozen=True)
class Look:
    """Two looks are never the same: the page says when the last one was."""

    facts: HostFacts
    at: datetime


def read(connection: Connection) -> Look:
    """For the study."""
    return Look(readiness.read(connection), timezone.now())


def store(host_id: int, look: Look) -> None:
    """In the writer's transaction."""
    states = checks.states(look.facts)
    values = list(states.values())
    columns = {"facts": look.facts.plain(), "states": states, "warnings": values.count(checks.WARNING), "missing": values.count(checks.MISSING)}
    row = HostReadiness.objects.filter(host_id=host_id).first()
    changed = {} if row and row.facts == columns["facts"] and row.states == states else columns
    HostReadiness.objects.update_or_create(host_id=host_id, defaults={**changed, "read_at": look.at})
    # Lists hear of it only when something is better or worse.
    worse_or_better = row is None or row.states != states
    facts.publish([f"host:{host_id}", *(["hosts"] if worse_or_better else [])], "readiness", host_id=host_id)
