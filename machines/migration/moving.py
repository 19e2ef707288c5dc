"""Moving a machine, as a worker does."""

from __future__ import annotations

import time

from jobs.work import Cancelled
from machines.migration import ways
from machines.migration.following import LOOK_SECONDS, Progress, followed
from machines.migration.hosting import Hosted, is_on, lives, quietly
from virt import machine as virt_machine
from virt import migration, sharing
from virt.chain import Files
from virt.errors import Conflict, HostUnreachable, NotFound, OperationFailed, VirtError, WrongState
from virt.machine import MachineSeen
from virt.migration import Order
from virt.xml.read.disk import Disk


def move(hosted: Hosted) -> dict[str, object]:
    """1. look at both hosts, 2. prove what is shared, 3. libvirt moves it, 4. what libvirt does not carry follows, 5. say what it took."""
    seen = _look(hosted)
    order = _order(hosted, seen)
    _run(hosted, order)
    return arrive(hosted)


def arrive(hosted: Hosted) -> dict[str, object]:
    """It is on the target: what libvirt leaves behind is carried over, and nothing of it stays on the source."""
    work = hosted.work
    work.phase("Finishing on the target", 99)
    stats = quietly(lambda: migration.finished(hosted.target, hosted.uuid))
    _carry_autostart(hosted)
    hosted.record.finish()
    told: dict[str, object] = {"to": hosted.target_host.name}
    if stats and stats.elapsed_ms:
        told |= {"elapsed_ms": stats.elapsed_ms, "downtime_ms": stats.downtime_ms, "moved_bytes": stats.memory_total - stats.memory_left + stats.disk_total}
        work.log(f"It took {stats.elapsed_ms / 1000:.1f} s, and stood still for {stats.downtime_ms or 0} ms.")
    return told


def _look(hosted: Hosted) -> MachineSeen:
    work = hosted.work
    work.phase("Looking at both hosts")
    seen = hosted.on_source()
    if seen is None:
        raise NotFound(f"{hosted.name} is not on {hosted.source_host.name} any more.")
    if seen.has_saved_image and not is_on(seen):
        raise WrongState("Its memory is saved on its host. Start it, or throw the saved state away, first.")
    if hosted.on_target() is not None:
        raise Conflict(f"{hosted.target_host.name} has a machine with this uuid already.")
    hosted.record.keep(autostart=seen.autostart)
    return seen


def _order(hosted: Hosted, seen: MachineSeen) -> Order:
    options = hosted.options
    common = {"to": ways.libvirt_uri(hosted.target_host), "persist": options.persist and seen.persistent, "undefine": options.undefine and seen.persistent}
    if not is_on(seen):
        return Order(**common, offline=True)  # type: ignore[arg-type]
    return Order(
        **common,  # type: ignore[arg-type]
        data=ways.data_uri(hosted.target_host),
        live=options.live,
        unsafe=_is_shared(hosted, seen),
        post_copy=options.post_copy,
        auto_converge=options.auto_converge,
        parallel=options.parallel,
        tls=options.tls,
        tunnelled=options.tunnelled,
        bandwidth=options.bandwidth_mib,
    )


def _is_shared(hosted: Hosted, seen: MachineSeen) -> bool:
    """Whether all files that it writes to were seen from both hosts. Else libvirt decides by what it knows of the file system."""
    files = Files(hosted.source)
    paths = [files.path_of(disk) for disk in seen.definition.disks if _is_written(disk)]
    folders = {path.rpartition("/")[0] for path in paths if path}
    if not folders:
        return False
    hosted.work.log(f"Seeing whether {hosted.target_host.name} has the same {', '.join(sorted(folders))}")
    marker = f"webvirt-same-j{hosted.work.job.pk}"
    hosted.record.keep(marker=marker, folders=sorted(folders))
    return all(sharing.shows_the_same(hosted.source, hosted.target, folder, marker) for folder in folders)


def _is_written(disk: Disk) -> bool:
    return disk.device == "disk" and not disk.readonly and bool(disk.source)


def _run(hosted: Hosted, order: Order) -> None:
    work = hosted.work
    if work.cancelled():
        raise Cancelled
    work.phase("Preparing the target")
    try:
        with followed(hosted):
            migration.move(hosted.source, hosted.uuid, order)
    except VirtError as exc:
        if isinstance(exc, HostUnreachable) and not hosted.source.is_alive():
            raise  # nobody knows: it is asked later
        _say_what_is_true(hosted, exc)


def _say_what_is_true(hosted: Hosted, exc: VirtError) -> None:
    """libvirt gave up; where the machine is now decides how it ended."""
    if lives(hosted.on_target()) and not is_on(hosted.on_source()):
        hosted.work.log(f"It is on the target all the same. {exc}")
        return
    if hosted.work.cancelled():
        raise Cancelled from None
    if isinstance(exc, HostUnreachable):
        raise OperationFailed(f"{hosted.source_host.name} does not reach {hosted.target_host.name}: {exc}", exc.detail) from exc
    raise exc


def _carry_autostart(hosted: Hosted) -> None:
    if hosted.record.kept.get("autostart") and hosted.options.persist:
        quietly(lambda: virt_machine.set_autostart(hosted.target, hosted.uuid, True))


def go_on(hosted: Hosted) -> dict[str, object]:
    """Its worker died and libvirt went on: until it has ended, then as if nothing had happened."""
    progress = Progress(hosted)
    hosted.work.on_cancel(lambda: progress.stop(hosted.source))
    while progress.look(hosted.source):
        time.sleep(LOOK_SECONDS)
    if lives(hosted.on_target()) or hosted.on_source() is None:
        return arrive(hosted)
    if hosted.work.cancelled():
        raise Cancelled
    raise OperationFailed(f"It did not get to {hosted.target_host.name} and is on {hosted.source_host.name} as before. The host's log says why.")
