"""How a host's state is shown: one of five shapes, and a word. Tree, lists, dashboard and head of the page agree by it."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext

from hosts.models import Host, State

# In the order of a list sorted by state: what needs somebody first.
HEALTHS = ("down", "warn", "stale", "maint", "ok")

_HEALTH = {
    State.ONLINE: "ok",
    State.NEW: "warn",
    State.CONNECTING: "stale",
    State.OFFLINE: "down",
    State.ALARM: "down",
    State.REFUSED: "warn",
    State.DISABLED: "maint",
}


def health(host: Host) -> str:
    """The shape: ok, warn, down, stale or maint."""
    found = _HEALTH[State(host.state)]
    return "maint" if found == "ok" and host.in_maintenance else found


def word(host: Host) -> str:
    """What stands beside the shape."""
    return gettext("Maintenance") if host.in_maintenance and host.state == State.ONLINE else str(State(host.state).label)


def needs_somebody(host: Host) -> bool:
    """Whether a person has to do something about its connection."""
    return health(host) == "warn" or host.state == State.ALARM


def seen(host: Host) -> str:
    """The hour of the last sight of one that does not answer, for the tree; "" for the others."""
    if host.state != State.OFFLINE or host.last_seen_at is None:
        return ""
    return timezone.localtime(host.last_seen_at).strftime("%H:%M")
