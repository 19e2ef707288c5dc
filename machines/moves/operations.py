"""What a worker does for moves of many machines. The three rounds are the same: the plan stands in rows (running.py)."""

from __future__ import annotations

from jobs import family
from jobs.registry import Fate, Result, operation
from jobs.work import Work
from machines.moves import reaching, running


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


@operation(settle=lambda work: Fate.NOT_DONE)
def try_reach(work: Work) -> Result:
    """Whether a host reaches others."""
    return reaching.run(work)
