"""A move in a worker: both its hosts, the machine, and what is known of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

from hosts.connections import connection_to
from hosts.models import Host
from jobs.work import Work
from machines.migration.models import Move
from machines.migration.options import Options
from machines.models import HALF, Machine
from virt import machine as virt_machine
from virt.connection import Connection
from virt.errors import HostUnreachable, NotFound, VirtError
from virt.machine import MachineSeen
from virt.machine import State as Seen

T = TypeVar("T")
_INCOMING = ("migrating", "starting")
_ON_ITS_WAY = ("migrating", *HALF)


class SourceLost(HostUnreachable):
    """In the middle of libvirt's own call: what became of it shows later."""


class Hosted:
    """One move's hosts. The source is the host that the machine was on when the job was asked for: its row may be the target's by now."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.uuid = str(work.params["uuid"])
        self.options = Options.from_json(work.params.get("options") or {})
        self.on = False  # whether it ran when this turn looked
        self.source_host, self.target_host = _host(work.job.host_id), _host(int(work.params["target"]))

    @property
    def name(self) -> str:
        return self.work.job.subject_name

    @property
    def row(self) -> Machine | None:
        return Machine.objects.filter(pk=self.work.subject_id).first()

    # Asked for each time: a connection that broke is opened anew.

    @property
    def source(self) -> Connection:
        return connection_to(self.source_host)

    @property
    def target(self) -> Connection:
        return connection_to(self.target_host)

    @cached_property
    def record(self) -> Move:
        """Its own row, made at its first step; that of the move which it cleans up after."""
        if "move" in self.work.params:
            return Move.objects.get(pk=self.work.params["move"])
        move, _ = Move.objects.get_or_create(job=self.work.job, defaults={"uuid": self.uuid, "source": self.source_host, "target": self.target_host})
        return move

    @property
    def went_over(self) -> bool:
        """Whether it was asked to go over before its memory (post-copy): what the target has then is newer than what is here."""
        return bool(self.record.kept.get("went_over"))

    def limits(self) -> dict[str, int]:
        """What somebody changed since it began."""
        return dict(Move.objects.filter(job=self.work.job).values_list("limits", flat=True).first() or {})

    def on_source(self) -> MachineSeen | None:
        return virt_machine.read(self.source, self.uuid)

    def on_target(self) -> MachineSeen | None:
        return virt_machine.read(self.target, self.uuid)


def is_on(seen: MachineSeen | None) -> bool:
    return seen is not None and seen.state not in (Seen.OFF, Seen.CRASHED)


def is_arriving(seen: MachineSeen | None) -> bool:
    """There, but not alive yet: libvirt has made room for it and waits for its memory."""
    return seen is not None and seen.state == Seen.PAUSED and seen.reason in _INCOMING


def lives(seen: MachineSeen | None) -> bool:
    """It is the machine's one body: it runs there, or stands still for a reason of its own."""
    return is_on(seen) and not is_arriving(seen)


def is_half(seen: MachineSeen | None) -> bool:
    """The guest has gone over, and the rest of its memory has not followed yet: alone, neither body is the machine."""
    return seen is not None and seen.reason in HALF


def stands_on_its_way(here: MachineSeen | None) -> bool:
    """libvirt stopped it to let it go over, or to bring it back, and was itself stopped there. Whether it may run here depends on the target."""
    return here is not None and here.state == Seen.PAUSED and here.reason in _ON_ITS_WAY


def has_arrived(hosted: Hosted) -> bool:
    """It is on the target, and lives nowhere else. (A guest that went over may have ended there; what is left on the source is not the machine then.)"""
    here = hosted.on_source()
    if is_on(here) and not stands_on_its_way(here):
        return False
    there = hosted.on_target()
    if is_half(here):
        return there is not None and not is_half(there) and not is_arriving(there)
    return lives(there) or (there is not None and (here is None or hosted.went_over))


def quietly(deed: Callable[[], T]) -> T | None:
    """What is nice to have must not break the job."""
    try:
        return deed()
    except VirtError:
        return None


def _host(pk: int) -> Host:
    host = Host.objects.filter(pk=pk).first()
    if host is None:
        raise NotFound("One of its hosts is not known here any more.")
    return host


def facts(**given: Any) -> dict[str, Any]:
    """Without what is not known."""
    return {name: value for name, value in given.items() if value is not None}
