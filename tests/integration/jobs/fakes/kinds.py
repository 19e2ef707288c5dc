"""What the pretended operations are declared as."""

from __future__ import annotations

from jobs import kinds

FAKES = "tests.integration.jobs.fakes"
_CANCELLABLE = ("held", "followed")


def declare() -> None:
    for name in ("plain", "held", "waiting", "followed", "lost", "mistaken", "traceless"):
        kinds.declare(kinds.Kind(f"{FAKES}.{name}", name.title(), "bolt", cancellable=name in _CANCELLABLE))
