"""The states a machine can be in, as the portal speaks of them. Imports no libvirt."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """A saved machine is OFF with `has_saved_image`; libvirt's "blocked" is RUNNING."""

    RUNNING = "running"
    PAUSED = "paused"
    OFF = "off"
    SHUTTING_DOWN = "shutting_down"
    CRASHED = "crashed"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"
