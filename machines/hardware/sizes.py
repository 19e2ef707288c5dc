"""Sizes as people type them: "4 GiB", "512M", "1.5 TiB"."""

from __future__ import annotations

import re

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
_SIZE = re.compile(r"(\d{1,12}(?:[.,]\d{1,6})?)\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE)


def read(text: str) -> int | None:
    """Bytes; a bare number of less than four digits means GiB, as nobody means bytes. None for what is no size."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        return None
    number, unit = float(match[1].replace(",", ".")), match[2].lower()
    if not unit and not text.strip().lower().endswith("b") and number < 1000:
        unit = "g"
    return round(number * _UNITS[unit])


def words(size: int) -> str:
    """As it can be typed again, exactly."""
    for unit in ("t", "g", "m", "k"):
        whole = size / _UNITS[unit]
        if size and whole >= 1 and round(whole, 3) * _UNITS[unit] == size:
            return f"{whole:.3f}".rstrip("0").rstrip(".") + f" {unit.upper()}iB"
    return f"{size} B"
