"""What a worker does to move machines. The machine's row follows it by the watcher (machines/inventory.py), not by this."""

from __future__ import annotations

from jobs.registry import Fate, Result, operation
from jobs.work import Work
from live.wishes import wish
from machines.migration import cleaning, moving, settling
from machines.migration.hosting import Hosted, has_arrived


@operation(settle=lambda work: settling.fate(Hosted(work)), clean=lambda work: cleaning.clean(Hosted(work)))
def move(work: Work) -> Result:
    """From the host that it is on to another one."""
    hosted = Hosted(work)
    try:
        return moving.go_on(hosted) if work.resumed else moving.move(hosted)
    finally:
        for study in ("pool", "snapshots"):
            wish(hosted.target_host.pk, study)


@operation(settle=lambda work: settling.fate(Hosted(work)))
def resume(work: Work) -> Result:
    """Send the rest of one whose link broke after the guest had gone over."""
    hosted = Hosted(work)
    return moving.go_on(hosted) if work.resumed else moving.resume(hosted)


@operation(settle=lambda work: Fate.DONE if Hosted(work).record.done_at else Fate.NOT_DONE)
def clean_up(work: Work) -> Result:
    """What an ended move could not take back then, or not finish: one of its hosts was away."""
    hosted = Hosted(work)
    if has_arrived(hosted):
        return moving.arrive(hosted)
    work.phase("Taking back what was begun")
    cleaning.clean(hosted)
    return None
