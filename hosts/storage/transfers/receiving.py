"""A file becoming a volume, in a worker: what the sources share, and that of a browser.

1. the volume is noted, then made, as large as the file · 2. bytes are written in order, zeros left out; every few seconds the host
is asked to acknowledge them, and how far it is goes into the row with the digest of all so far · 3. who goes on after a death reads
back what the host has, and takes it up from the last point that holds · 4. checksum and image are looked at · 5. the volume is the
pool's own. Ended otherwise, it is removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis
from django.utils import timezone

from hosts.connections import connection_to
from hosts.storage.transfers.limits import forgotten_after_hours
from hosts.storage.transfers.models import Incoming, Made
from hosts.storage.transfers.spool import Spool
from jobs.registry import Result
from jobs.work import Cancelled, Wait, Work
from virt import images, usage
from virt import pool as virt_pool
from virt import volume as virt_volume
from virt.connection import Connection
from virt.errors import Conflict, HostUnreachable, Invalid, NoSpace, NotFound, OperationFailed, VirtError, WrongState
from virt.reading import Reader
from virt.volume import VolumeSpec, Writing

logger = logging.getLogger(__name__)

Seconds = float

_CONFIRM_SECONDS: Seconds = 5.0
_CONFIRM_SHARE = 20  # of the time: where a pool is so large that the host takes long to look at it again, it is asked less often
_IDLE_SECONDS: Seconds = 0.5
_PATIENCE_SECONDS: Seconds = 3.0  # for the browser's next chunk; then the worker is given back
_LONGEST_WAIT = timedelta(days=30)
_RATE_SECONDS: Seconds = 5.0
_LEAST_HOLE = 64 * 1024


class Receiving:
    """One file on its way. Subclasses say where its bytes come from (`pass_on`)."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.incoming = incoming_of(work)
        self.place = self.incoming.place
        self.at = self.incoming.written_bytes  # what was sent to the host, acknowledged or not
        self.digest = hashlib.sha256()
        self._writing: Writing | None = None
        self._confirmed_at = time.monotonic()
        self._confirm_every = _CONFIRM_SECONDS
        self._rate = _Rate()
        self._connection: Connection | None = None

    def pass_on(self) -> None:
        """Until all of it is written. May raise jobs.work.Wait."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Before the volume is made."""

    def is_due(self) -> bool:
        """Whether a worker is needed now; asked when the job only waited."""
        return True

    def run(self) -> Result:
        incoming = self.incoming
        if incoming.done_at:
            return self._result()
        try:
            self.check()
            if self.work.resumed and not self.is_due():
                self._refuse_the_forgotten()
                raise Wait(WAITING_WORDS, _LONGEST_WAIT)
            if incoming.made == Made.THERE:
                self._take_up()
            else:
                self._make()
            self.pass_on()
            return self._finish()
        except Wait:  # goes on when the browser does
            raise
        except HostUnreachable:  # goes on when the host is back; one that had not begun has failed (jobs.run)
            if not incoming.made and not self.work.begun and not self.work.resumed:
                incoming.note(ended_at=timezone.now())
            raise
        except (VirtError, Cancelled):
            self.discard()
            raise
        except Exception:
            self.discard()
            raise
        finally:
            self.abandon()

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            self._connection = connection_to(self.place.pool.host)
        return self._connection

    @property
    def where(self) -> tuple[Connection, str, str]:
        return self.connection, self.place.pool.uuid, self.place.name

    def stop_if_asked(self) -> None:
        if self.work.cancelled():
            raise Cancelled

    def check(self) -> None:
        """The same, and when another worker has taken over because this one seemed dead."""
        self.stop_if_asked()
        if self.work.job.claim and not self.work.mine().exists():
            raise HostUnreachable("Another worker has taken this over.")

    # ── bytes ──

    def write(self, piece: bytes) -> None:
        """The next bytes of the file; memory: no copy."""
        incoming = self.incoming
        if self.at + len(piece) > incoming.size_bytes:
            raise Invalid("More came than the file was said to hold.")
        if self._writing is None:
            connection, pool, name = self.where
            self._writing = Writing(connection, pool, name, self.at, incoming.size_bytes - self.at, sparse=incoming.is_clean)
            self._confirmed_at = time.monotonic()
        if incoming.is_clean and len(piece) >= _LEAST_HOLE and not piece[0] and piece == bytes(len(piece)):
            self._writing.skip(len(piece))
        else:
            self._writing.send(piece)
        self.digest.update(piece)
        self.at += len(piece)
        if time.monotonic() - self._confirmed_at >= self._confirm_every:
            self.confirm()

    def confirm(self) -> None:
        """What was sent is in the host's file now. It looks at the whole pool again each time."""
        if self._writing is None:
            return
        self.check()
        writing, self._writing = self._writing, None
        started = time.monotonic()
        writing.finish()
        self.incoming.confirm(self.at, self.digest.hexdigest())
        self._confirm_every = max(_CONFIRM_SECONDS, _CONFIRM_SHARE * (time.monotonic() - started))

    def abandon(self) -> None:
        """What was sent and not acknowledged is not counted."""
        writing, self._writing = self._writing, None
        if writing:
            writing.abort()

    def tell(self, *, rests: bool = False) -> None:
        total = self.incoming.size_bytes
        rate = 0.0 if rests else self._rate.at(self.at)
        figures: dict[str, Any] = {"done_bytes": self.at, "total_bytes": total}
        if rate:
            figures |= {"bytes_per_second": round(rate), "left_seconds": round((total - self.at) / rate)}
        self.work.progress(min(99.9, 100 * self.at / max(1, total)), **figures)

    def keep(self) -> None:
        """The digest so far, for this process's next turn at it; another process would have to read all of it back."""
        if self._connection is not None and self._writing is None:
            _kept.put(self.incoming, _Kept(self.at, self.digest, self._connection))

    # ── steps ──

    def _make(self) -> None:
        """Note, then make. One of that name that somebody else has is not ours to remove."""
        incoming, (connection, pool, name) = self.incoming, self.where
        if incoming.made == Made.MAKING and self._is_fresh():
            incoming.note(made=Made.THERE)
            return
        self.prepare()
        self._refuse_without_room()
        self.work.phase("Making the volume", 0)
        incoming.note(made=Made.MAKING)
        try:
            virt_volume.create(connection, pool, VolumeSpec(name, incoming.size_bytes, "raw"))
        except Conflict:
            incoming.note(made=Made.NOT)
            raise
        incoming.note(made=Made.THERE)
        self.work.phase(RECEIVING_WORDS, 0)

    def _refuse_without_room(self) -> None:
        connection, pool, _ = self.where
        free = virt_pool.read(connection, pool).available_bytes
        if 0 < free < self.incoming.size_bytes:
            raise NoSpace(f"The pool has not so much room: {free / 2**30:.1f} GiB are free.")

    def _is_fresh(self) -> bool:
        """Whether the volume of that name is the one that was being made when a worker died: nothing was ever written to it."""
        try:
            seen = virt_volume.read(*self.where)
        except NotFound:
            return False
        return seen.format == "raw" and seen.capacity_bytes == self.incoming.size_bytes and seen.allocation_bytes == 0

    def _take_up(self) -> None:
        """From the last point of which the host still has all: it may have lost power, and with it what it had acknowledged."""
        incoming = self.incoming
        kept = _kept.take(incoming)
        if kept and kept.at == incoming.written_bytes and kept.connection is self.connection and self.connection.is_alive():
            self.at, self.digest = kept.at, kept.digest
        else:
            incoming.note(is_clean=False)
            if incoming.written_bytes:
                self.work.phase("Looking at what is on the host already")
                self._read_back()
        self.work.phase(RECEIVING_WORDS, incoming.percent)

    def _read_back(self) -> None:
        incoming = self.incoming
        digest, good, good_at = hashlib.sha256(), hashlib.sha256(), 0
        points = iter(incoming.checkpoints)
        at, (until, expected) = 0, next(points)
        for piece in virt_volume.download(*self.where, 0, incoming.written_bytes):
            self.stop_if_asked()
            view = memoryview(piece)
            while view:
                part = view[: until - at]
                digest.update(part)
                at, view = at + len(part), view[len(part) :]
                if at == until:
                    if digest.hexdigest() == expected:
                        good, good_at = digest.copy(), at
                    until, expected = next(points, (incoming.written_bytes + 1, ""))
        if good_at < incoming.written_bytes:
            self.work.log(f"The host has lost some of what it had: it goes on from {good_at / 2**20:.1f} MiB.")
            incoming.go_back(good_at)
        self.at, self.digest = good_at, good

    def _finish(self) -> Result:
        incoming = self.incoming
        self.confirm()
        if self.at != incoming.size_bytes:
            raise OperationFailed(f"Only {self.at} of {incoming.size_bytes} bytes came.")
        self.work.phase("Looking at what it is", 99.9)
        incoming.note(digest=self.digest.hexdigest())
        self._compare()
        reader = Reader(*self.where)
        if reader.size < incoming.size_bytes:
            raise OperationFailed(f"The host has only {reader.size} of {incoming.size_bytes} bytes.")
        image = images.inspect(reader.read, incoming.size_bytes)
        self.check()
        virt_pool.refresh(self.connection, self.place.pool.uuid)
        now = timezone.now()
        incoming.note(done_at=now, ended_at=now)
        self.work.log(f"It is {image.format}, a disk of {image.virtual_bytes / 2**30:.2f} GiB. SHA-256 {incoming.digest}")
        return {**(self._result() or {}), "format": image.format, "warning": self._warning(image)}

    def _warning(self, image: images.Image) -> str:
        """What is whole and still not what its name says: often the page of a server that did not have the file."""
        if not self.place.name.lower().endswith(".iso") or image.format == "iso":
            return ""
        words = "Its name ends with .iso, but it is no installation image."
        self.work.log(words)
        return words

    def _compare(self) -> None:
        """With the sum that the person gave. Another kind than ours is taken from what the host has."""
        name, _, wanted = self.incoming.wanted_digest.partition(":")
        if not wanted:
            return
        found = self.incoming.digest
        if name != "sha256":
            self.work.phase("Comparing the checksum", 99.9)
            other = hashlib.new(name)
            for piece in virt_volume.download(*self.where, 0, self.incoming.size_bytes):
                self.stop_if_asked()
                other.update(piece)
            found = other.hexdigest()
        if found != wanted:
            raise Invalid(f"The checksum is not the one that was given: it is {found}. What came was removed.")
        self.work.log(f"The {name.upper()} sum is as it should be.")

    def _result(self) -> Result:
        return {"volume": self.place.name, "sha256": self.incoming.digest, "bytes": self.incoming.size_bytes}

    def _refuse_the_forgotten(self) -> None:
        idle = timezone.now() - self.incoming.touched_at
        if idle > timedelta(hours=forgotten_after_hours()):
            raise WrongState(f"Nothing came for {forgotten_after_hours()} hours. What there was of it was removed.")

    def discard(self) -> None:
        """Nothing is left. What can't be removed now is removed by the sweep (tidy.py)."""
        self.abandon()
        try:
            remove(self.incoming)
        except VirtError as exc:
            self.work.log(f"What there was of it could not be removed yet: {exc}")


class FromBrowser(Receiving):
    """Out of the spool that the web process fills."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._spool = Spool(str(self.incoming.pk))
        self._heard = time.monotonic()

    def is_due(self) -> bool:
        if self.incoming.written_bytes >= self.incoming.size_bytes:
            return True
        try:
            return self._spool.is_wanted()
        except redis.RedisError:
            return False

    def pass_on(self) -> None:
        """A Redis that goes away is waited for: what counts is on the host, and the browser has the rest."""
        is_open = False
        self._heard = time.monotonic()
        while self.at < self.incoming.size_bytes:
            self.stop_if_asked()
            try:
                if not is_open:
                    self._spool.open(self.at)
                is_open = self._pass_one()
            except redis.RedisError as exc:
                logger.warning("upload %s: the spool is away: %s", self.incoming.pk, exc)
                is_open = False
                self.confirm()
                self._give_way()
                time.sleep(_IDLE_SECONDS)

    def _pass_one(self) -> bool:
        """One chunk, if one comes; False when the spool has to be opened anew, at what was written."""
        spool = self._spool
        chunk = spool.next(_IDLE_SECONDS)
        if chunk is None:
            self.confirm()
            if spool.is_open() and time.monotonic() - self._heard > _PATIENCE_SECONDS and spool.close():
                self._give_way()
            return spool.is_open()  # False: Redis forgot it
        self._heard = time.monotonic()
        whole = chunk.offset == self.at and self._take(chunk.length, spool.packets(chunk))
        if whole:
            spool.took(self.at)
        else:
            self.confirm()
        self.tell()
        return whole

    def _give_way(self) -> None:
        """Raises Wait once nothing was heard for a while: the worker is free for others."""
        if time.monotonic() - self._heard > _PATIENCE_SECONDS:
            self.keep()
            self.tell(rests=True)
            raise Wait(WAITING_WORDS, _LONGEST_WAIT)

    def _take(self, length: int, pieces: Iterator[bytes]) -> bool:
        """False when Redis had lost some of it."""
        before = self.at
        for piece in pieces:
            self.write(piece)
        return self.at - before == length

    def run(self) -> Result:
        try:
            return super().run()
        finally:
            with contextlib.suppress(Exception):
                if self.incoming.ended_at:
                    self._spool.drop()
                self._spool.leave()


def incoming_of(work: Work) -> Incoming:
    found = Incoming.objects.select_related("place__pool__host").filter(pk=work.params["incoming"]).first()
    if found is None:
        raise NotFound("What was on its way is not known here any more.")
    return found


def remove(incoming: Incoming) -> None:
    """The volume goes, if it is ours; one that a machine was given meanwhile stays. Raises when it can't be said that it is gone."""
    if incoming.done_at or incoming.ended_at:
        return
    if incoming.made:
        pool, name = incoming.place.pool, incoming.place.name
        connection = connection_to(pool.host)
        with contextlib.suppress(NotFound):
            seen = virt_volume.read(connection, pool.uuid, name)
            ours = incoming.made == Made.THERE or (seen.capacity_bytes == incoming.size_bytes and seen.allocation_bytes == 0)
            if ours and not usage.users_of(connection, pool.uuid, name):
                virt_volume.delete(connection, pool.uuid, name)
    _kept.take(incoming)
    incoming.note(made=Made.NOT, ended_at=timezone.now())


class _Rate:
    """Bytes a second, over the last seconds."""

    def __init__(self) -> None:
        self._points: list[tuple[Seconds, int]] = []

    def at(self, done_bytes: int) -> float:
        now = time.monotonic()
        self._points = [point for point in self._points if now - point[0] <= _RATE_SECONDS]
        self._points.append((now, done_bytes))
        since, before = self._points[0]
        return (done_bytes - before) / (now - since) if now - since >= 1 else 0.0


@dataclass(frozen=True)
class _Kept:
    at: int
    digest: Any  # hashlib's object; it can't be written down
    connection: Connection


class _KeptDigests:
    """Of uploads that pause, in this process."""

    _MOST = 100

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def put(self, incoming: Incoming, kept: _Kept) -> None:
        with self._lock:
            self._kept[str(incoming.pk)] = kept
            while len(self._kept) > self._MOST:
                del self._kept[next(iter(self._kept))]

    def take(self, incoming: Incoming) -> _Kept | None:
        with self._lock:
            return self._kept.pop(str(incoming.pk), None)


_kept = _KeptDigests()
WAITING_WORDS = "Waiting for the browser"
RECEIVING_WORDS = "Receiving"
