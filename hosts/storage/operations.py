"""What a worker does with pools and volumes on their host. None of them writes inventory: the watcher looks again (Kind.stirs)."""

from __future__ import annotations

from collections.abc import Callable

from hosts.connections import connection_to
from hosts.models import Host
from hosts.storage import users
from hosts.storage.models import Place, Pool
from jobs.registry import Fate, Operation, Result, operation
from jobs.work import Cancelled, Work
from virt import pool as virt_pool
from virt import usage
from virt import volume as virt_volume
from virt.connection import Connection
from virt.errors import NotFound, WrongState
from virt.volume import VolumeSpec
from virt.xml.pools import KINDS, volume_formats

# ── pools ──


def reach_pool(work: Work) -> tuple[Connection, Pool]:
    pool = Pool.objects.select_related("host").filter(pk=work.subject_id).first()
    if pool is None:
        raise NotFound("The pool is not known here any more.")
    return connection_to(pool.host), pool


def _plain(words: str, verb: Callable[[Connection, str], None], settle: Callable[[Work], Fate]) -> Operation:
    """One call to libvirt."""

    def run(work: Work) -> Result:
        connection, pool = reach_pool(work)
        work.phase(words)
        verb(connection, pool.uuid)
        return None

    return Operation(run=run, settle=settle)


def _settled_when(active: bool) -> Callable[[Work], Fate]:
    def look(work: Work) -> Fate:
        connection, pool = reach_pool(work)
        return Fate.DONE if virt_pool.read(connection, pool.uuid).active == active else Fate.NOT_DONE

    return look


def _unknowable(work: Work) -> Fate:
    return Fate.UNKNOWN


start_pool = _plain("Starting the pool", virt_pool.start, _settled_when(True))
refresh_pool = _plain("Looking at what is there", virt_pool.refresh, _unknowable)


def refuse_if_needed(work: Work, connection: Connection, uuid: str, kind: str, *, lost: bool) -> None:
    """Before a pool stops. Volumes that are `lost` by it must be nobody's; those that only go out of reach, no running machine's."""
    described = KINDS.get(kind)
    destroys = lost and described is not None and described.destroys
    if not destroys and described is not None and not described.cuts:
        return
    work.phase("Asking the host who uses it")
    found = usage.users_of_pool(connection, uuid, running=not destroys)
    if found:
        names = ", ".join(map(str, found[:5])) + (" …" if len(found) > 5 else "")
        raise WrongState(f"It is used by {names}. Nothing was changed.")


@operation(settle=_settled_when(False))
def stop_pool(work: Work) -> Result:
    connection, pool = reach_pool(work)
    refuse_if_needed(work, connection, pool.uuid, pool.kind, lost=False)
    work.phase("Stopping the pool")
    virt_pool.stop(connection, pool.uuid)
    return None


def _autostart_settled(work: Work) -> Fate:
    connection, pool = reach_pool(work)
    return Fate.DONE if virt_pool.read(connection, pool.uuid).autostart == bool(work.params["on"]) else Fate.NOT_DONE


@operation(settle=_autostart_settled)
def set_pool_autostart(work: Work) -> Result:
    connection, pool = reach_pool(work)
    on = bool(work.params["on"])
    work.phase("Switching autostart on" if on else "Switching autostart off")
    virt_pool.set_autostart(connection, pool.uuid, on)
    return None


# ── volumes ──


def reach_place(work: Work) -> tuple[Connection, Place]:
    """The connection to the host, and the name in the pool that the job is about."""
    place = Place.objects.select_related("pool__host").filter(pk=work.subject_id).first()
    if place is None:
        raise NotFound("The pool is not known here any more.")
    return connection_to(place.pool.host), place


def refuse_if_used(connection: Connection, place: Place) -> None:
    """Asked of the host itself, right before: a machine may have been given the disk a second ago."""
    found = list(map(str, usage.users_of(connection, place.pool.uuid, place.name)))
    row = place.pool.volumes.filter(name=place.name).select_related("pool").first()
    # Of a store that other hosts share, what is on those is known from what they last showed.
    found += [str(used) for used in users.of(row) if used.host] if row else []
    if found:
        raise WrongState(f"{place.name} is used by {', '.join(found[:5])}{' …' if len(found) > 5 else ''}. Nothing was changed.")


def _made(work: Work) -> Fate:
    """There now; before the job there was none of that name."""
    connection, place = reach_place(work)
    return Fate.DONE if virt_volume.exists(connection, place.pool.uuid, place.name) else Fate.NOT_DONE


@operation(settle=_made)
def create_volume(work: Work) -> Result:
    connection, place = reach_place(work)
    params = work.params
    spec = VolumeSpec(
        name=place.name,
        capacity_bytes=int(params["capacity_bytes"]),
        format=str(params["format"]),
        allocation_bytes=int(params.get("allocation_bytes", 0)),
        backing_path=str(params.get("backing_path", "")),
        backing_format=str(params.get("backing_format", "")),
    )
    work.phase("Making the volume")
    return {"path": virt_volume.create(connection, place.pool.uuid, spec)}


def _deleted(work: Work) -> Fate:
    connection, place = reach_place(work)
    return Fate.NOT_DONE if virt_volume.exists(connection, place.pool.uuid, place.name) else Fate.DONE


@operation(settle=_deleted)
def delete_volume(work: Work) -> Result:
    connection, place = reach_place(work)
    work.phase("Asking the host who uses it")
    refuse_if_used(connection, place)
    work.phase("Deleting the volume")
    virt_volume.delete(connection, place.pool.uuid, place.name)
    return None


def _resized(work: Work) -> Fate:
    connection, place = reach_place(work)
    seen = virt_volume.read(connection, place.pool.uuid, place.name)
    return Fate.DONE if seen.capacity_bytes >= int(work.params["capacity_bytes"]) else Fate.NOT_DONE


@operation(settle=_resized)
def resize_volume(work: Work) -> Result:
    connection, place = reach_place(work)
    work.phase("Asking the host who uses it")
    refuse_if_used(connection, place)
    work.phase("Changing its size")
    shrink = bool(work.params.get("shrink"))
    virt_volume.resize(connection, place.pool.uuid, place.name, int(work.params["capacity_bytes"]), shrink=shrink)
    return None


@operation(settle=_unknowable)
def wipe_volume(work: Work) -> Result:
    connection, place = reach_place(work)
    work.phase("Asking the host who uses it")
    refuse_if_used(connection, place)
    work.phase("Overwriting it; this can't be stopped")
    virt_volume.wipe(connection, place.pool.uuid, place.name, work.params["algorithm"])
    return None


@operation(settle=_made)
def clone_volume(work: Work) -> Result:
    """Into the place that the job is about; `pool` and `volume` name the original."""
    connection, place = reach_place(work)
    original = Pool.objects.get(pk=work.params["pool_id"])
    source = str(work.params["volume"])
    seen = virt_volume.read(connection, original.uuid, source)
    formats = volume_formats(place.pool.kind)
    wanted = str(work.params.get("format") or (seen.format if seen.format in formats else "raw"))
    spec = VolumeSpec(place.name, seen.capacity_bytes, wanted)
    work.phase(f"Copying {source}")
    path = virt_volume.clone(connection, original.uuid, source, place.pool.uuid, spec, progress=work.progress, cancelled=work.cancelled)
    if not path:
        raise Cancelled
    return {"path": path}


def host_of(work: Work) -> tuple[Connection, Host]:
    host = Host.objects.filter(pk=work.subject_id).first()
    if host is None:
        raise NotFound("The host is not known here any more.")
    return connection_to(host), host
