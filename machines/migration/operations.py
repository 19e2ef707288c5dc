"""What a worker does to move machines. The machine's row follows it by the watcher (machines/inventory.py), not by this."""

from __future__ import annotations

from jobs.registry import Result, operation
from jobs.work import Work
from live.wishes import wish
from machines.migration import moving, settling
from machines.migration.hosting import Hosted


@operation(settle=lambda work: settling.fate(Hosted(work)))
def move(work: Work) -> Result:
    """From the host that it is on to another one."""
    hosted = Hosted(work)
    try:
        return moving.go_on(hosted) if work.resumed else moving.move(hosted)
    finally:
        for study in ("pool", "snapshots"):
            wish(hosted.target_host.pk, study)
