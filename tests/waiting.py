"""Waiting for what another process does: with an end, and with words when it does not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(what: str, probe: Callable[[], T], *, seconds: float = 10.0, every: float = 0.05) -> T:
    """Call ``probe`` until it answers something true and return that; ``AssertionError`` naming ``what`` after ``seconds``.

    An exception of the probe counts as "not yet"; the last one is the cause of the failure.
    """
    end = time.monotonic() + seconds
    problem: Exception | None = None
    answer: T | None = None
    while True:
        try:
            answer, problem = probe(), None
            if answer:
                return answer
        except Exception as error:
            problem = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what} (last answer: {problem or answer!r})") from problem
        time.sleep(every)
