"""Pictures of machines' screens, as the web process has them: from the cache, with a wish for a newer one.

The picture is taken by a worker (machines/camera.py): at most one a machine in two seconds, and only while somebody looks,
because each look asks for the next.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass

import redis
from celery import current_app
from django.core.cache import cache

logger = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
KEPT_SECONDS = 120
LARGEST = 4 * 2**20
_EXPIRES_SECONDS = 5.0
_REST_AFTER_FAILURE_SECONDS = 20


@dataclass(frozen=True)
class Screen:
    """`at`: seconds since 1970. `image` is a PNG; "" with `problem` saying why there is none."""

    at: float
    image: bytes
    problem: str = ""

    @property
    def tag(self) -> str:
        return hashlib.blake2b(self.image, digest_size=12).hexdigest()

    @property
    def age_seconds(self) -> float:
        return max(0.0, time.time() - self.at)


def look(machine_id: int) -> Screen | None:
    """The newest picture, None when there is none; asks for the next one. Never waits for a hypervisor."""
    try:
        screen = cache.get(_picture(machine_id))
        if screen is None or screen.age_seconds >= EVERY_SECONDS:
            _ask(machine_id)
    except redis.RedisError as exc:
        logger.warning("no picture of machine %s: %s", machine_id, exc)
        return None
    return screen if isinstance(screen, Screen) else None


# ── for the worker ──


def may_take(machine_id: int) -> bool:
    """Whether a picture is due, and nobody else is at it.

    The mark is set before the hypervisor is asked and taken away by `keep`: a host that never answers, and ends the
    worker with it, is not asked again and again.
    """
    screen = cache.get(_picture(machine_id))
    if isinstance(screen, Screen) and screen.age_seconds < EVERY_SECONDS * 0.9:
        return False
    return bool(cache.add(_busy(machine_id), 1, timeout=_REST_AFTER_FAILURE_SECONDS))


def keep(machine_id: int, image: bytes) -> None:
    """Store a picture. Raises ValueError for what is no PNG or too large: it goes to browsers as it is."""
    if not image.startswith(b"\x89PNG\r\n\x1a\n") or len(image) > LARGEST:
        raise ValueError(f"{len(image)} bytes that are no picture to show")
    cache.set(_picture(machine_id), Screen(time.time(), image), timeout=KEPT_SECONDS)
    cache.delete(_busy(machine_id))


def keep_problem(machine_id: int, words: str) -> None:
    """Say why there is no picture; the machine is left alone for a while."""
    cache.set(_picture(machine_id), Screen(time.time(), b"", words[:300]), timeout=_REST_AFTER_FAILURE_SECONDS)


def forget(machine_id: int) -> None:
    cache.delete_many([_picture(machine_id), _busy(machine_id)])


def _ask(machine_id: int) -> None:
    """One message in two seconds, however many look."""
    if not cache.add(f"screen:asked:{machine_id}", 1, timeout=int(EVERY_SECONDS)):
        return
    try:
        current_app.send_task("machines.screen", args=[machine_id], queue="quick", expires=_EXPIRES_SECONDS, time_limit=12, retry=False)
    except Exception as exc:
        logger.warning("nobody can be asked for a picture of machine %s: %s", machine_id, exc)


def _picture(machine_id: int) -> str:
    return f"screen:{machine_id}"


def _busy(machine_id: int) -> str:
    return f"screen:busy:{machine_id}"
