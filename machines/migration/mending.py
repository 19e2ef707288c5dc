"""A move whose link broke after the guest had gone over (post-copy): half of its memory is on each host, and it stands still.

Neither half may be ended, started or let run alone: only sending the rest makes one machine of them again. The move itself tries that for
a while; after that whoever manages the machine asks for it (machines/migration/actions.py: resume).
https://libvirt.org/html/libvirt-libvirt-domain.html#VIR_MIGRATE_POSTCOPY_RESUME
"""

from __future__ import annotations

import time

from hosts.connections import another_to
from machines.migration import ways
from machines.migration.following import followed
from machines.migration.hosting import Hosted, has_arrived, is_half
from virt import migration
from virt.errors import OperationFailed, VirtError
from virt.migration import Order

Seconds = float

# libvirt on the target may learn of it later than on the source; a switch that restarts is back within minutes.
_PATIENCE: Seconds = 180.0
_PAUSE: Seconds = 2.0
_LONGEST_PAUSE: Seconds = 15.0


class Halved(OperationFailed):
    """The rest could not be sent. Both halves are as they were."""


def is_broken(hosted: Hosted) -> bool:
    """As its source sees it."""
    here = hosted.on_source()
    return here is not None and here.reason == "postcopy-failed"


def mended(hosted: Hosted) -> bool:
    """Send the rest. False when it is not broken in this way; raises Halved when it stays so, OperationFailed when the other half is gone."""
    if not is_broken(hosted):
        return False
    there = hosted.on_target()
    if there is None:
        raise OperationFailed(
            f"The link broke as the guest went over, and {hosted.target_host.name} has given up what had come. What is left on {hosted.source_host.name} "
            "can't run on: force it off, and start it anew."
        )
    if not is_half(there):
        return False
    hosted.record.note_broken()
    hosted.work.phase("The link broke after the guest had gone over; the rest of its memory is sent again")
    until, pause, said = time.monotonic() + _PATIENCE, _PAUSE, ""
    while is_broken(hosted):
        try:
            _send_rest(hosted)
            return True
        except VirtError as exc:  # that QEMU waits for its own link still, perhaps
            said = _tell(hosted, exc, said)
        if time.monotonic() > until or not _sleep(hosted, pause):
            raise Halved(
                f"The link broke after the guest had gone over: half of its memory is on {hosted.source_host.name}, half on {hosted.target_host.name}. "
                "It stands still, and nothing is lost. Bring the link back, then resume the move; neither half may be ended before."
            )
        pause = min(2 * pause, _LONGEST_PAUSE)
    return has_arrived(hosted)  # it went on by itself meanwhile


def _tell(hosted: Hosted, exc: VirtError, before: str) -> str:
    """Each reason once, however often it is tried."""
    words = f"Not yet: {exc} {exc.detail}"
    if words != before:
        hosted.work.log(words)
    return words


def _send_rest(hosted: Hosted) -> None:
    here, options = hosted.on_source(), hosted.options
    persistent = here is not None and here.persistent
    order = Order(
        ways.libvirt_uri(hosted.target_host),
        data=ways.data_uri(hosted.target_host),
        post_copy=True,
        tls=options.tls,
        bandwidth=options.bandwidth_mib,
        persist=options.persist and persistent,
        undefine=options.undefine and persistent,
        resume=True,
    )
    with another_to(hosted.source_host) as connection, followed(hosted, post_copy=True):
        migration.move(connection, hosted.uuid, order)


def _sleep(hosted: Hosted, seconds: Seconds) -> bool:
    """False when somebody asked to stop trying."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if hosted.work.cancelled():
            return False
        time.sleep(0.2)
    return True
