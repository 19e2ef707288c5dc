"""Moving a machine, as a worker does.

1. look at both hosts  2. see where each disk is on the target, make volumes for those to be copied  3. what libvirt would stumble over
is kept by us meanwhile (snapshots)  4. libvirt moves it  5. what libvirt does not carry follows; nothing stays on the source
After a failure, a cancel or a death everything is taken back in the same order (cleaning.py).
"""

from __future__ import annotations

import time

from hosts.connections import another_to
from jobs.work import Cancelled
from machines.migration import carrying, cleaning, disks, mending, ways
from machines.migration.disks import Disks
from machines.migration.following import LOOK_SECONDS, PREPARING, Progress, followed
from machines.migration.hosting import Hosted, SourceLost, has_arrived, is_half, is_on, quietly
from machines.migration.mending import Halved
from virt import migration
from virt.errors import Conflict, HostUnreachable, NotFound, OperationFailed, VirtError, WrongState
from virt.machine import MachineSeen
from virt.migration import Order
from virt.xml.edit.moved import with_disks_at


def move(hosted: Hosted) -> dict[str, object]:
    try:
        _move(hosted)
    except (SourceLost, Halved):
        raise  # nobody knows: the hosts are asked later; or both halves are kept as they are
    except HostUnreachable as exc:
        cleaning.clean(hosted)  # raises the same when it was the source that is away
        raise OperationFailed(f"{hosted.target_host.name} does not answer. {exc}", exc.detail) from exc
    except (VirtError, Cancelled):
        cleaning.clean(hosted)
        raise
    return arrive(hosted)


def resume(hosted: Hosted) -> dict[str, object]:
    """Send the rest of a post-copy whose link broke, once more."""
    hosted.work.phase("Looking at both hosts")
    if not mending.mended(hosted) and not has_arrived(hosted):
        raise WrongState("It does not stand half-way between its hosts any more.")
    return arrive(hosted)


def go_on(hosted: Hosted) -> dict[str, object]:
    """Its worker died and libvirt went on: until that has ended, then as if nothing had happened."""
    progress = Progress(hosted)
    connection = hosted.source
    progress.post_copy = is_half(hosted.on_source())
    hosted.work.on_cancel(lambda: progress.stop(connection))
    while progress.look(connection) and not mending.is_broken(hosted):
        time.sleep(LOOK_SECONDS)
    hosted.work.on_cancel(lambda: None)
    if has_arrived(hosted) or mending.mended(hosted):
        return arrive(hosted)
    cleaning.clean(hosted)
    if hosted.work.cancelled():
        raise Cancelled
    raise OperationFailed(f"It did not get to {hosted.target_host.name} and is on {hosted.source_host.name} as before; that host's log says why.")


def arrive(hosted: Hosted) -> dict[str, object]:
    """It is on the target: what libvirt leaves behind is carried over, and nothing of it stays on the source."""
    work = hosted.work
    work.phase("Finishing on the target", 99)
    torn = _torn(hosted)
    stats = quietly(lambda: migration.finished(hosted.target, hosted.uuid))
    cleaning.remove_husk(hosted)
    carrying.give_snapshots(hosted, hosted.target)
    carrying.give_autostart(hosted)
    hosted.record.finish()
    if torn:
        raise OperationFailed(torn)
    told: dict[str, object] = {"to": hosted.target_host.name}
    if left := [here for here, _there, _taken in hosted.record.kept.get("copies", {}).values()]:
        told["left"] = left
        work.log(f"Its disks as they were are still on {hosted.source_host.name}: {', '.join(left)}. Nobody needs them now.")
    if stats and stats.elapsed_ms:
        told |= {"elapsed_ms": stats.elapsed_ms, "downtime_ms": stats.downtime_ms, "memory_bytes": stats.memory_total, "disk_bytes": stats.disk_total}
        work.log(f"It took {stats.elapsed_ms / 1000:.1f} s, and stood still for {stats.downtime_ms or 0} ms.")
    return told


def _torn(hosted: Hosted) -> str:
    """What became of a guest that had gone over, when one of the two QEMUs ended before all of its memory had followed; "" where that did not happen."""
    target = hosted.target_host.name
    if hosted.went_over and hosted.on_source() is not None and not is_on(hosted.on_target()):
        return f"It went over to {target} and ended there before all of its memory had come: it is off, as after a power cut."
    until = time.monotonic() + _SETTLES
    while is_half(hosted.on_target()):
        if time.monotonic() > until:
            return (
                f"{hosted.source_host.name} lost it before all of its memory had gone over to {target}. There it can't go on: force it off, and start it anew."
            )
        time.sleep(LOOK_SECONDS)
    return ""


_SETTLES = 5.0  # seconds in which libvirt notices that all of the memory has come


def _move(hosted: Hosted) -> None:
    seen = _look(hosted)
    carrying.refuse_what_stays(hosted, seen)
    found = disks.arrange(hosted, seen)
    order = _order(hosted, seen, found)
    if not hosted.on:
        disks.carry_over(hosted, hosted.record.kept.get("copies", {}))
        carrying.copy_variables(hosted, seen)
    carrying.take_snapshots(hosted)
    if hosted.work.cancelled():
        raise Cancelled
    _run(hosted, order)


def _look(hosted: Hosted) -> MachineSeen:
    hosted.work.phase("Looking at both hosts")
    seen = hosted.on_source()
    if seen is None:
        raise NotFound(f"{hosted.name} is not on {hosted.source_host.name} any more.")
    hosted.on = is_on(seen)
    if seen.has_saved_image and not hosted.on:
        raise WrongState("Its memory is saved on its host. Start it, or throw the saved state away, first.")
    if hosted.on_target() is not None:
        raise Conflict(f"{hosted.target_host.name} has a machine with this uuid already.")
    # From here on, what is on the target with this uuid came by this move.
    hosted.record.keep(autostart=seen.autostart, target_was_free=True)
    return seen


def _order(hosted: Hosted, seen: MachineSeen, found: Disks) -> Order:
    options = hosted.options
    elsewhere = migration.definitions(hosted.source, hosted.uuid) if found.paths else None
    # Transient on the source, transient on the target.
    persist, undefine = options.persist and seen.persistent, options.undefine and seen.persistent
    to, xml = ways.libvirt_uri(hosted.target_host), with_disks_at(elsewhere.xml, found.paths) if elsewhere else ""
    if not hosted.on:
        return Order(to, offline=True, xml=xml, persist=persist, undefine=undefine)
    return Order(
        to,
        data=ways.data_uri(hosted.target_host),
        live=options.live,
        copy=found.copied,
        unsafe=found.proven,
        xml=xml,
        stored_xml=with_disks_at(elsewhere.stored, found.paths) if elsewhere and elsewhere.stored else "",
        post_copy=options.post_copy,
        auto_converge=options.auto_converge,
        parallel=options.parallel,
        tls=options.tls,
        tunnelled=options.tunnelled,
        bandwidth=options.bandwidth_mib,
        persist=persist,
        undefine=undefine,
    )


def _run(hosted: Hosted, order: Order) -> None:
    """libvirt's own call."""
    hosted.work.phase(PREPARING)
    # A link of its own: a call that waits for minutes must not hold up other moves of this process.
    with another_to(hosted.source_host) as connection:
        try:
            with followed(hosted):
                migration.move(connection, hosted.uuid, order)
        except VirtError as exc:
            if not connection.is_alive():
                raise SourceLost(f"{hosted.source_host.name} was lost on the way.", exc.detail) from exc
            _end_as_it_is(hosted, exc)


def _end_as_it_is(hosted: Hosted, exc: VirtError) -> None:
    """libvirt gave up: where the machine is now decides."""
    if has_arrived(hosted) or mending.mended(hosted):
        hosted.work.log(f"It is on the target all the same. {exc} {exc.detail}")
    elif hosted.work.cancelled():
        raise Cancelled from None
    elif isinstance(exc, HostUnreachable):
        raise OperationFailed(f"{hosted.source_host.name} lost {hosted.target_host.name}, or does not reach it: {exc}", exc.detail) from exc
    else:
        raise exc
