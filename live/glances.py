"""Newest numbers for pages. Redis may be away: then a page shows the last minute's averages from the rows, at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import redis

from live import metrics
from live.metrics import Glance

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 10.0
_away_until = 0.0


def glance(kind: str, ids: Sequence[int]) -> dict[int, Glance]:
    """A glance at each of several subjects of a kind ("machine", "host"); {} while Redis is away, which is asked again only after a pause."""
    global _away_until
    if not ids or time.monotonic() < _away_until:
        return {}
    try:
        return metrics.glance(kind, ids)
    except redis.RedisError as exc:
        logger.warning("no recent numbers: %s", exc)
        _away_until = time.monotonic() + _PAUSE_SECONDS
        return {}
