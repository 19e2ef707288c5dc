"""The watcher: shares the hosts with other watchers, and keeps a follower for each that is ours."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Max, Q
from django.utils import timezone

from accounts.secrets import SecretUnreadable
from hosts import inventory as host_inventory
from hosts import leases
from hosts.inventory import Standing
from hosts.leases import Stand
from hosts.models import State
from jobs import kinds
from jobs.models import ACTIVE, Job
from live import facts, wishes
from virt.errors import VirtError
from virt.events import Loop
from watcher import identity, target
from watcher.follower import Follower
from watcher.target import Target
from watcher.writer import Writer

logger = logging.getLogger(__name__)

Seconds = float

_TICK: Seconds = 1.0
_PULSE_EVERY: Seconds = 2.0
_MOST_HELPERS = 1_000  # idle ones are used again: a healthy fleet needs a handful
_JOBS_A_QUERY = 500
_SYNCS_AT_ONCE = 6
_PATIENCE_AT_END: Seconds = 1.0


class Supervisor:
    """`run()` returns when `stop` is set, with the leases given back; a host that hangs is not waited for."""

    def __init__(self, name: str = "") -> None:
        self.name = name or identity.own_name()
        self._writer = Writer(self.name)
        self._helpers = ThreadPoolExecutor(_MOST_HELPERS, thread_name_prefix="helper")
        self._turns = threading.Semaphore(_SYNCS_AT_ONCE)
        self._followers: dict[int, Follower] = {}
        self._hopeless: dict[int, int] = {}  # host → revision of which no connection can be made
        self._jobs = _EndedJobs()
        self._renewed_at: Seconds = 0.0
        self._pulsed_at: Seconds = 0.0
        self._database_away = False

    def run(self, stop: threading.Event) -> None:
        Loop.start()
        self._writer.start()
        logger.info("watcher %s begins", self.name)
        try:
            while not stop.is_set():
                self._tick()
                stop.wait(_TICK)
        finally:
            self._end()

    @property
    def following(self) -> list[int]:
        """Ids of the hosts that are followed now."""
        return sorted(self._followers)

    # ── once a second ──

    def _tick(self) -> None:
        try:
            self._renew()
            stands = self._share(leases.look())
            self._reconcile(stands)
            for ended in self._jobs.look():
                if follower := self._followers.get(ended.host_id):
                    self._after_job(follower, ended)
            for host_id, names in wishes.take(self._followers.keys()).items():
                self._followers[host_id].wish(names)
            self._database_away = False
        except (OperationalError, InterfaceError) as exc:
            if not self._database_away:
                logger.warning("the database does not answer: %s", exc)
            self._database_away = True
            connection.close()
        self._pulse()

    def _after_job(self, follower: Follower, ended: _Ended) -> None:
        """For what it did libvirt may have sent no event."""
        if ended.machine_id:
            follower.look(ended.machine_id)
        if stirred := kinds.known(ended.kind).stirs:
            follower.wish(stirred)

    def _renew(self) -> None:
        now = time.monotonic()
        if not self._renewed_at:
            leases.join(self.name, timezone.now())
        elif now - self._renewed_at < leases.RENEW_AFTER.total_seconds():
            return
        else:
            leases.renew(self.name, timezone.now())
        self._renewed_at = now

    def _share(self, stands: Sequence[Stand]) -> dict[int, Stand]:
        """Take and give so that every watcher has its part; the hosts that are ours then."""
        now = timezone.now()
        others = {stand.owner for stand in stands if stand.owner not in ("", self.name)}
        dead = identity.ended(others)
        plan = leases.plan(stands, self.name, leases.living(now), now, dead)
        if plan.give:
            self._drop([pk for pk in plan.give if pk in self._followers])
            leases.give(self.name, plan.give)
        taken = leases.take(self.name, plan.take, now, dead) if plan.take else []
        if plan.give or taken:
            logger.info("watcher %s took %d hosts, gave %d back", self.name, len(taken), len(plan.give))
        return {stand.pk: stand for stand in stands if (stand.owner == self.name and stand.pk not in plan.give) or stand.pk in taken}

    def _reconcile(self, mine: dict[int, Stand]) -> None:
        """Follow what is ours as it is now, and nothing else."""
        self._drop([pk for pk in self._followers if pk not in mine])
        for pk, stand in mine.items():
            follower = self._followers.get(pk)
            if follower and follower.target.revision != stand.revision:
                follower = self._after_edit(follower, stand)
            if follower is None and self._hopeless.get(pk) != stand.revision:
                self._begin(pk)

    def _after_edit(self, follower: Follower, stand: Stand) -> Follower | None:
        """The follower if the edit does not concern its connection, else None: another one has to begin."""
        fresh = self._load(stand.pk)
        if fresh and fresh.fingerprint == follower.target.fingerprint and stand.state == follower.state:
            follower.adopt(fresh)
            return follower
        self._drop([stand.pk])
        return None

    def _begin(self, pk: int) -> None:
        wanted = self._load(pk)
        if wanted is None:
            return
        self._hopeless.pop(pk, None)
        self._followers[pk] = Follower(wanted, self._writer, self._helpers, self._turns)
        self._followers[pk].start()

    def _load(self, pk: int) -> Target | None:
        """None when the row is gone, or says nothing by which one could connect (that is written into it)."""
        try:
            return target.load(pk)
        except (VirtError, SecretUnreadable) as exc:
            stand = next((stand for stand in leases.look() if stand.pk == pk), None)
            if stand:
                self._hopeless[pk] = stand.revision
                standing = Standing(State.REFUSED, str(exc))
                self._writer.do(pk, lambda: host_inventory.stand(pk, stand.revision, standing, None))
            return None

    def _drop(self, pks: Sequence[int]) -> None:
        """Stop following; open pages hear that what they show of these machines is not fresh (or is another watcher's now)."""
        for pk in pks:
            follower = self._followers.pop(pk)
            follower.stop()
            ids = follower.machine_ids
            facts.publish([f"host:{pk}", "hosts", "machines", *(f"machine:{key}" for key in ids)], "unfollowed", host_id=pk, machine_ids=ids)

    def _pulse(self) -> None:
        """Say that what is seen gets written; pages that hear nothing for some seconds say so."""
        now = time.monotonic()
        if self._database_away or not self._writer.is_well or now - self._pulsed_at < _PULSE_EVERY:
            return
        facts.publish_pulse()
        self._pulsed_at = now

    # ── the end ──

    def _end(self) -> None:
        for follower in self._followers.values():
            follower.stop()
        until = time.monotonic() + _PATIENCE_AT_END
        for follower in self._followers.values():
            follower.join(max(0.0, until - time.monotonic()))
        self._writer.stop(_PATIENCE_AT_END)
        self._helpers.shutdown(wait=False, cancel_futures=True)
        try:
            leases.leave(self.name)
        except (OperationalError, InterfaceError) as exc:
            logger.warning("the leases could not be given back: %s", exc)
        connection.close()
        logger.info("watcher %s ended", self.name)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A job that ended; `machine_id` is 0 when it was not about a machine."""

    kind: str
    host_id: int
    machine_id: int


class _EndedJobs:
    """Jobs that ended: for what they did (autostart, a saved state removed, a snapshot) libvirt may have sent no event."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._running: set[int] = set()

    def look(self) -> list[_Ended]:
        """Those that ended since the last call."""
        if self._newest is None:
            self._newest = Job.objects.aggregate(newest=Max("pk"))["newest"] or 0
            self._running = set(Job.objects.filter(state__in=ACTIVE).values_list("pk", flat=True))
            return []
        running = sorted(self._running)
        ended = self._ended(Q(pk__gt=self._newest))
        for start in range(0, len(running), _JOBS_A_QUERY):
            ended += self._ended(Q(pk__in=running[start : start + _JOBS_A_QUERY]))
        return ended

    def _ended(self, which: Q) -> list[_Ended]:
        ended = []
        columns = ("pk", "state", "kind", "host_id", "subject_type", "subject_id")
        for pk, state, kind, host_id, subject_type, subject_id in Job.objects.filter(which).order_by("pk").values_list(*columns):
            self._newest = max(self._newest or 0, pk)
            if state in ACTIVE:
                self._running.add(pk)
            else:
                self._running.discard(pk)
                ended.append(_Ended(kind, host_id, subject_id if subject_type == "machine" else 0))
        return ended
