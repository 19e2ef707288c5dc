"""Giving memory back to the system."""

from __future__ import annotations

import ctypes

try:
    _trim = ctypes.CDLL(None).malloc_trim
except (OSError, AttributeError):  # not glibc
    _trim = None  # type: ignore[assignment]


def give_back() -> None:
    """All whole pages that are free. Of its own accord glibc gives back none from below a piece that is in use, and each opening leaves
    much behind: a database connection reads the whole schema (malloc_trim(3)).
    """
    if _trim:
        _trim(0)
