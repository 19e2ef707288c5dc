"""Somebody looks at a page that shows what libvirt sends no events for: the watcher is asked to look there once more, soon.

A wish is a hint. While Redis is away there are none, and the watcher's own rounds must do.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection

import redis

from live import metrics

logger = logging.getLogger(__name__)

_KEY = "wv:wishes"
GUEST = "guest-"  # with a machine's uuid: have its agent asked about itself


def wish(host_id: int, study: str) -> None:
    """Have the host's `study` (watcher/studies.py) read again within a second or two; never raises."""
    try:
        metrics.store().sadd(_KEY, f"{host_id}:{study}")
    except redis.RedisError as exc:
        logger.debug("a wish was lost: %s", exc)


def take(host_ids: Collection[int]) -> dict[int, set[str]]:
    """Host id → studies that were wished for since the last call, of these hosts alone; {} while Redis is away."""
    try:
        wishes = [str(item, "ascii") if isinstance(item, bytes) else str(item) for item in metrics.store().smembers(_KEY)]
        mine: defaultdict[int, set[str]] = defaultdict(set)
        for item in wishes:
            host, _, study = item.partition(":")
            if host.isdigit() and int(host) in host_ids:
                mine[int(host)].add(study)
        if mine:
            metrics.store().srem(_KEY, *(f"{host}:{study}" for host, studies in mine.items() for study in studies))
    except redis.RedisError as exc:
        logger.debug("no wishes: %s", exc)
        return {}
    return dict(mine)
