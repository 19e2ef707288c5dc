"""Memory that was used once and is free goes back to the system."""

from __future__ import annotations

from pathlib import Path

import pytest

from consoles.bridge import memory


@pytest.mark.skipif(memory._trim is None, reason="only glibc can be asked")
def test_what_is_free_below_what_is_used_is_given_back() -> None:
    much = [bytearray(8_000) for _ in range(8_000)]  # below what malloc takes from the system piece by piece
    pins = much[::400]
    before = _resident()
    del much
    memory.give_back()
    assert before - _resident() > 30_000_000
    assert len(pins) == 20


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
