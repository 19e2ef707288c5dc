"""HTTP's Range of one part: https://www.rfc-editor.org/rfc/rfc9110#section-14"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `first` on, `length` of them."""

    first: int
    length: int


def read(header: str) -> tuple[int | None, int | None]:
    """ "bytes=100-199" → (100, 199); "bytes=100-" → (100, None); "bytes=-500" → (None, 500), the last 500.

    (None, None) for no header, and for one that is not understood or has several parts: it is ignored then, as the RFC wants.
    """
    found = re.fullmatch(rf"bytes=(\d{{0,{_MOST_DIGITS}}})-(\d{{0,{_MOST_DIGITS}}})", header.replace(" ", ""))
    if not found or not (found[1] or found[2]):
        return None, None
    first, last = (int(part) if part else None for part in found.groups())
    return (None, None) if first is not None and last is not None and last < first else (first, last)


def span_of(first: int | None, last: int | None, size: int) -> Span | None:
    """The bytes that are meant of a file of that size; None when there are none (416)."""
    if first is None and last is None:
        return Span(0, size)
    if first is None:
        length = min(last or 0, size)
        return Span(size - length, length) if length else None
    if first >= size:
        return None
    end = size if last is None else min(last + 1, size)
    return Span(first, end - first)
