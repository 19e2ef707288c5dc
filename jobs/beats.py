"""A sign of life of the workers: each sweep that one of them runs leaves the time."""

from __future__ import annotations

import time

from django.core.cache import cache

_KEY = "jobs:worker-beat"


def beat() -> None:
    cache.set(_KEY, time.time(), timeout=3600)


def worker_age() -> float | None:
    """Seconds since a worker last ran the sweep, None when none was seen for an hour."""
    at = cache.get(_KEY)
    return None if at is None else max(0.0, time.time() - at)
