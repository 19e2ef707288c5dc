"""What became of a move whose worker died: both hosts are asked, and only looked at."""

from __future__ import annotations

from jobs.registry import Fate
from machines.migration import mending
from machines.migration.hosting import Hosted, has_arrived
from virt import migration


def fate(hosted: Hosted) -> Fate:
    """libvirt goes on by itself: it still does, or the machine is on the one host or the other.

    On the target it is "still running" until what libvirt does not carry has followed: the turn that goes on does that.
    """
    if migration.running(hosted.source, hosted.uuid) or mending.is_broken(hosted):
        return Fate.STILL_RUNNING
    if has_arrived(hosted):
        return Fate.DONE if hosted.record.done_at else Fate.STILL_RUNNING
    return Fate.NOT_DONE
