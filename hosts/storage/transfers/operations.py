"""What a worker does with bytes on their way."""

from __future__ import annotations

from hosts.storage.operations import reach_place
from hosts.storage.transfers import receiving
from hosts.storage.transfers.fetching import FromUrl
from hosts.storage.transfers.receiving import FromBrowser, incoming_of
from jobs.registry import Fate, Result, operation
from jobs.work import Work


def _goes_on(work: Work) -> Fate:
    """Its worker died or lost the host: the next one takes it up from what the host has."""
    incoming = incoming_of(work)
    if incoming.done_at:
        return Fate.DONE
    reach_place(work)  # HostUnreachable: asked again later
    return Fate.NOT_DONE if incoming.ended_at else Fate.STILL_RUNNING


@operation(settle=_goes_on)
def upload(work: Work) -> Result:
    return FromBrowser(work).run()


@operation(settle=_goes_on)
def fetch(work: Work) -> Result:
    return FromUrl(work).run()


def _is_removed(work: Work) -> Fate:
    return Fate.DONE if incoming_of(work).ended_at else Fate.NOT_DONE


@operation(settle=_is_removed)
def clean_up(work: Work) -> Result:
    """What an ended upload could not remove then."""
    work.phase("Removing what there was of it")
    receiving.remove(incoming_of(work))
    return None
