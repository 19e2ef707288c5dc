"""After a move that did not happen: the source is as it was, the target as if nobody had asked."""

from __future__ import annotations

import time
from contextlib import suppress

from machines.migration import carrying, disks
from machines.migration.hosting import Hosted, is_arriving, is_half, is_on, lives, quietly, stands_on_its_way
from virt import machine as virt_machine
from virt import migration, sharing
from virt.errors import HostUnreachable, NotFound, VirtError

# A libvirtd that was killed is back in a moment, and what it left there may be running.
_PATIENCE, _PAUSE = 15.0, 1.0


def clean(hosted: Hosted) -> None:
    """The source first: the machine is to run. The target may be away; then it is cleaned when it is back (machines/migration/tidy.py).

    Where half of the memory is on each host nothing is touched (mending.py).
    """
    if is_half(hosted.on_source()):
        _keep_halves(hosted)
        return
    restore_source(hosted)
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            clean_target(hosted)
        except HostUnreachable as exc:
            if time.monotonic() < until:
                time.sleep(_PAUSE)
                continue
            hosted.work.log(f"What may be left on {hosted.target_host.name} is removed when it answers again. {exc}")
        else:
            hosted.record.finish()
        return


def _keep_halves(hosted: Hosted) -> None:
    """The guest has run on the target since: what is here may never run again by itself, and its disks are newer than its memory."""
    if is_on(hosted.on_target()):
        hosted.record.note_broken()
        hosted.work.log(f"Half of its memory is on {hosted.source_host.name}, half on {hosted.target_host.name}. Both are left as they are.")
        return
    hosted.work.log(f"It went over to {hosted.target_host.name} and is not there any more. What stands still on {hosted.source_host.name} can't run on.")
    if made := [item["volume"] for item in hosted.record.made]:
        hosted.work.log(f"What was copied to {hosted.target_host.name} may be newer than what is here, and is kept: {', '.join(made)}.")
    hosted.record.finish()


def restore_source(hosted: Hosted) -> None:
    """Let it run on if libvirt left it standing, and give it its snapshots back."""
    marker, folders = hosted.record.kept.get("marker"), hosted.record.kept.get("folders", ())
    for folder in folders:
        quietly(lambda: sharing.remove_marker(hosted.source, folder, marker))  # noqa: B023 - called at once
    here = hosted.on_source()
    if here is None:
        return
    if stands_on_its_way(here) and not migration.running(hosted.source, hosted.uuid) and not lives(hosted.on_target()):
        virt_machine.resume(hosted.source, hosted.uuid)
        hosted.work.log(f"It stood still on {hosted.source_host.name} and runs again.")
    carrying.give_snapshots(hosted, hosted.source)


def clean_target(hosted: Hosted) -> None:
    """Only what this move has brought there. Raises HostUnreachable when nobody can say."""
    if not hosted.record.kept.get("target_was_free"):
        return
    there = hosted.on_target()
    here = hosted.on_source()
    twice = lives(there) and is_on(here) and not stands_on_its_way(here)
    if twice:
        # The target let it run, and died before it could say so; the source, which heard nothing, let it run on.
        hosted.work.log(
            f"It ran on both hosts for a moment; it is ended on {hosted.target_host.name} now. "
            "If its disks are shared, both may have written to them: check its file systems."
        )
    if twice or is_arriving(there):
        try:
            virt_machine.force_off(hosted.target, hosted.uuid)
        except HostUnreachable:
            raise
        except VirtError as exc:
            hosted.work.log(f"What came to {hosted.target_host.name} could not be ended: {exc}")
        there = hosted.on_target()
    if there is not None and not is_on(there) and here is not None:
        virt_machine.undefine(hosted.target, hosted.uuid)
        hosted.work.log(f"Its definition was removed from {hosted.target_host.name} again.")
        there = None
    if there is None:
        disks.remove(hosted)


def remove_husk(hosted: Hosted) -> None:
    """It lives on the target: what libvirt left of it on the source goes."""
    here, there = hosted.on_source(), hosted.on_target()
    if here is None or not (lives(there) or (there is not None and (is_half(here) or hosted.went_over))):
        return
    if stands_on_its_way(here):
        virt_machine.force_off(hosted.source, hosted.uuid)
        hosted.work.log(f"What was left of it on {hosted.source_host.name} was ended: it stood still there.")
        here = hosted.on_source()
    if here is not None and not is_on(here) and hosted.options.undefine:
        with suppress(NotFound):  # libvirt was quicker
            migration.forget(hosted.source, hosted.uuid)
            hosted.work.log(f"Its definition was removed from {hosted.source_host.name}.")
