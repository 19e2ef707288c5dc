"""What a worker does for rounds of moves. All three are the same: the plan stands in rows (running.py)."""

from __future__ import annotations

from jobs import family
from jobs.registry import Result, operation
from jobs.work import Work
from machines.moves import running


@operation(settle=family.settled)
def drain(work: Work) -> Result:
    """All machines of a host, away from it."""
    return running.run(work)


@operation(settle=family.settled)
def bring_back(work: Work) -> Result:
    """Those that were moved away from a host, back to it."""
    return running.run(work)


@operation(settle=family.settled)
def move(work: Work) -> Result:
    """A selection of machines."""
    return running.run(work)
