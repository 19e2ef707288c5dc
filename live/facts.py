"""Telling browsers that something changed: small facts, after the commit, never the data itself.

A fact names topics ("machine:42", "machines", "host:3", "jobs", …) and the object whose rights decide who hears it.
Numbers for charts are the exception: they are pushed as they are, one message a host and sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction

from live import publisher

GROUP = "live"


def publish(topics: Iterable[str], what: str, *, host_id: int = 0, machine_id: int = 0, machine_ids: Sequence[int] = ()) -> None:
    """Send a fact once the current transaction is committed (at once if there is none).

    The topic of an object ("machine:42") reaches all who subscribed to it: their rights were checked then. A list topic
    ("machines") reaches those who may see the host or one of the machines (`machine_id`, or `machine_ids` where many
    changed at once); with neither, everybody signed in.
    """
    machines = [machine_id] if machine_id else list(machine_ids)
    message = {"type": "fact", "topics": list(topics), "what": what, "host": host_id, "machines": machines}
    transaction.on_commit(lambda: publisher.send(GROUP, message))


def publish_numbers(host_id: int, host: Sequence[float | None] | None, machines: dict[int, Sequence[float | None]]) -> None:
    """Push one sample of a host and its machines: lists as live.metrics.COLUMNS, keyed by row id."""
    publisher.send(GROUP, {"type": "numbers", "host": host_id, "h": host, "m": {str(key): row for key, row in machines.items()}})


def publish_rights(user_id: int) -> None:
    """A person's rights, or whether they may be here at all, changed: their sockets look again."""
    transaction.on_commit(lambda: publisher.send(GROUP, {"type": "rights", "user": user_id}))


def publish_sign_out(session_key: str) -> None:
    """A session ended: close its sockets. The key itself never leaves the server."""
    publisher.send(GROUP, {"type": "signout", "session": session_key})


def publish_renewed(session_key: str) -> None:
    """A session has another key now (its person changed the password): its sockets come back with the new one."""
    transaction.on_commit(lambda: publisher.send(GROUP, {"type": "renewed", "session": session_key}))


def publish_pulse() -> None:
    """The watcher lives. Missing pulses tell pages that what they show may be old."""
    publisher.send(GROUP, {"type": "pulse"})
