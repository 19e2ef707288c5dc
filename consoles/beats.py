"""A sign of life of the bridge, for /readyz."""

from __future__ import annotations

import time

from django.core.cache import cache

SECONDS = 5.0
_KEY = "consoles:bridge-beat"


def beat() -> None:
    cache.set(_KEY, time.time(), timeout=3600)


def bridge_age() -> float | None:
    """Seconds since a bridge last gave one, None when none did for an hour."""
    at = cache.get(_KEY)
    return None if at is None else max(0.0, time.time() - at)
