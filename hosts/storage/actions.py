"""What a person may ask of pools and volumes. Each returns a Job or raises jobs.submit.Refused; none reaches a hypervisor."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from accounts import audit
from accounts.models import User
from hosts.storage import users
from hosts.storage.models import Place, Pool, Volume
from jobs import submit as jobs
from jobs.models import ACTIVE, Job
from jobs.submit import Refused
from virt.errors import Invalid
from virt.xml.build.volume import VolumeSpec, build_xml
from virt.xml.pools import TAKE_FILES, volume_formats

_KIND = "hosts.storage."
_MOST_NAMES = 200
BUSY = "Another operation on it is running."


# ── pools ──


def pool_refusal(pool: Pool, deed: str) -> str:
    """Why the deed ("start", "stop", "refresh", "autostart", "make", "new", "bring") can't be asked for now, or ""; the pages show the same words."""
    if pool.gone_at:
        return "It is not on its host any more."
    if pool.is_stale:
        return f"{pool.host.name} does not answer."
    if deed == "start" and pool.is_active:
        return "It runs already."
    if deed in ("stop", "refresh", "make", "new", "bring") and not pool.is_active:
        return "The pool does not run."
    if deed == "new" and not volume_formats(pool.kind):
        return "Volumes of this pool are made on its store, not here: refresh it to see new ones."
    if deed == "bring" and pool.kind not in TAKE_FILES:
        return "Files can't be brought into a pool of this kind."
    if deed == "autostart" and not pool.persistent:
        return "It is transient: it has no definition that could start by itself."
    return ""


def start(user: User, pool: Pool) -> Job:
    return _about_pool(user, pool, "start", "start_pool")


def stop(user: User, pool: Pool) -> Job:
    """Refused while something is being made in it; where a running machine would lose its disk, the worker asks the host and refuses."""
    making = _busy_places(pool)
    if making:
        _refuse(user, "stop_pool", pool.name, f"{making[0].title} {making[0].subject_name} is not finished.")
    return _about_pool(user, pool, "stop", "stop_pool")


def refresh(user: User, pool: Pool) -> Job:
    return _about_pool(user, pool, "refresh", "refresh_pool")


def set_autostart(user: User, pool: Pool, on: bool) -> Job:
    return _about_pool(user, pool, "autostart", "set_pool_autostart", {"on": on})


# ── volumes ──


def create(user: User, pool: Pool, spec: VolumeSpec) -> Job:
    """A new, empty volume; `spec` is checked as the builder of its XML does."""
    place = _new_place(user, pool, spec.name, "create_volume")
    if spec.format not in volume_formats(pool.kind):
        _refuse(user, "create_volume", spec.name, f"Volumes of this pool are {' or '.join(volume_formats(pool.kind))}.")
    try:
        build_xml(spec)
    except Invalid as exc:
        _refuse(user, "create_volume", spec.name, str(exc))
    params = {name: getattr(spec, name) for name in ("capacity_bytes", "format", "allocation_bytes", "backing_path", "backing_format")}
    return _submit("create_volume", place, user, params)


def clone(user: User, volume: Volume, pool: Pool, name: str) -> Job:
    """A copy in `pool`, of the same host."""
    if pool.host_id != volume.pool.host_id:
        _refuse(user, "clone_volume", name, "libvirt copies a volume only to a pool of the same host.")
    place = _new_place(user, pool, name, "clone_volume")
    return _submit("clone_volume", place, user, {"pool_id": volume.pool_id, "volume": volume.name})


def resize(user: User, volume: Volume, capacity_bytes: int, *, shrink: bool = False) -> Job:
    _refuse_if_used(user, volume, "resize_volume")
    if capacity_bytes == volume.capacity_bytes:
        _refuse(user, "resize_volume", volume.name, "That is its size.")
    if capacity_bytes < volume.capacity_bytes and not shrink:
        _refuse(user, "resize_volume", volume.name, "The new size is smaller: what lies behind the new end would be lost. Say that you want that.")
    return _submit("resize_volume", place_of(volume.pool, volume.name), user, {"capacity_bytes": capacity_bytes, "shrink": shrink})


def wipe(user: User, volume: Volume, algorithm: str) -> Job:
    _refuse_if_used(user, volume, "wipe_volume")
    return _submit("wipe_volume", place_of(volume.pool, volume.name), user, {"algorithm": algorithm})


def delete(user: User, volume: Volume) -> Job:
    _refuse_if_used(user, volume, "delete_volume")
    return _submit("delete_volume", place_of(volume.pool, volume.name), user, {})


@dataclass(frozen=True)
class Outcome:
    """What became of one volume of a bulk action: a job, or the reason why not."""

    name: str
    url: str
    job: Job | None
    refused: str = ""


def delete_many(user: User, pool: Pool, volumes: Sequence[Volume]) -> list[Outcome]:
    """Each with its own result; what is used is left alone."""
    batch = uuid.uuid4().hex
    reason = pool_refusal(pool, "make")
    used = users.Usage([pool], user).of(volumes, pool)
    refusals = {volume.pk: reason or used_words(used[volume.pk]) for volume in volumes}
    places = _places(pool, [volume.name for volume in volumes if not refusals[volume.pk]])
    subjects = [place.subject for place in places.values()]
    made = jobs.submit_many(f"{_KIND}delete_volume", subjects, asked_by=user, batch=batch) if subjects else {}
    found = []
    for volume in volumes:
        place = places.get(volume.name)
        job = made.get(place.pk) if place else None
        found.append(Outcome(volume.name, volume.get_absolute_url(), job, refusals[volume.pk] or ("" if job else BUSY)))
    refused = {outcome.name: outcome.refused for outcome in found if outcome.refused}
    if refused:
        audit.record(
            f"{_KIND}delete_volume", f"{len(refused)} at once", actor=user, result="refused", detail={"why": dict(list(refused.items())[:_MOST_NAMES])}
        )
    return found


def used_words(used: Sequence[users.Used]) -> str:
    """ "Used by machine db-1." or ""."""
    return f"Used by {', '.join(map(str, used[:3]))}{' …' if len(used) > 3 else ''}." if used else ""


# ── places ──


def place_of(pool: Pool, name: str) -> Place:
    place, _ = Place.objects.get_or_create(pool=pool, name=name)
    place.pool = pool
    return place


def making(pool: Pool) -> list[Job]:
    """Jobs about names in this pool that are not finished."""
    return _busy_places(pool)


def _new_place(user: User, pool: Pool, name: str, kind: str) -> Place:
    reason = pool_refusal(pool, "new")
    if reason:
        _refuse(user, kind, name, reason)
    if pool.volumes.filter(name=name).exists():
        _refuse(user, kind, name, f"A volume {name} is in {pool.name} already.")
    try:
        build_xml(VolumeSpec(name, 0, "raw"))
    except Invalid as exc:
        _refuse(user, kind, name[:100], str(exc))
    return place_of(pool, name)


def _places(pool: Pool, names: Sequence[str]) -> dict[str, Place]:
    Place.objects.bulk_create([Place(pool=pool, name=name) for name in names], ignore_conflicts=True, batch_size=500)
    found = {}
    for start in range(0, len(names), 500):
        for place in Place.objects.filter(pool=pool, name__in=names[start : start + 500]):
            place.pool = pool
            found[place.name] = place
    return found


def _busy_places(pool: Pool) -> list[Job]:
    places = pool.places.values("pk")
    return list(Job.objects.filter(subject_type="volume", subject_id__in=places, state__in=ACTIVE).order_by("-pk")[:200])


# ── steps ──


def _about_pool(user: User, pool: Pool, deed: str, kind: str, params: dict[str, Any] | None = None) -> Job:
    reason = pool_refusal(pool, deed)
    if reason:
        _refuse(user, kind, pool.name, reason)
    return jobs.submit(_KIND + kind, pool.subject, asked_by=user, params=params)


def _refuse_if_used(user: User, volume: Volume, kind: str) -> None:
    reason = pool_refusal(volume.pool, "make") or used_words(users.of(volume, user))
    if reason:
        _refuse(user, kind, volume.name, reason)


def _submit(kind: str, place: Place, user: User, params: dict[str, Any]) -> Job:
    return jobs.submit(_KIND + kind, place.subject, asked_by=user, params=params)


def _refuse(user: User, kind: str, name: str, reason: str) -> NoReturn:
    audit.record(_KIND + kind, name, actor=user, result="refused", detail={"why": reason})
    raise Refused(f"{name}: {reason}")
