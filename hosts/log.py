"""A host's log: what happened to it and who did it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from hosts.models import Host, HostEvent

_KEPT = timedelta(days=365)
_LONGEST = 400


def write(host: Host, kind: str, words: str, *, actor: str = "") -> HostEvent:
    """Append a line. `kind` is one word ("added", "edited", "connected", "lost", "alarm" …), `words` a sentence."""
    text = words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
    return HostEvent.objects.create(host=host, kind=kind, words=text, actor=actor)


def tidy() -> None:
    """Forget what is older than a year; the audit log keeps what people did."""
    HostEvent.objects.filter(at__lt=timezone.now() - _KEPT).delete()
