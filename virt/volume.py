"""The volumes of a host's pools: seeing them, making, changing, filling and reading them.

A pool is named by uuid, a volume by its name in it. Every function raises the exceptions of `virt.errors`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal

import libvirt

from virt.connection import Connection
from virt.errors import Conflict, Invalid, NotFound, VirtError
from virt.packets import PACKET_BYTES
from virt.translation import answered, translate
from virt.xml.build.volume import VolumeSpec as VolumeSpec
from virt.xml.build.volume import build_xml
from virt.xml.pools import KINDS
from virt.xml.read.pool import read_pool_kind
from virt.xml.read.volume import VolumeDefinition, read_modified, read_volume

Seconds = float

_LOOK_SECONDS = 0.5
_PACKETS_AHEAD = 8

WipeAlgorithm = Literal["zero", "random", "nnsa", "dod", "bsi", "gutmann", "schneier", "trim"]
WIPE_ALGORITHMS: dict[str, int] = {
    "zero": libvirt.VIR_STORAGE_VOL_WIPE_ALG_ZERO,
    "random": libvirt.VIR_STORAGE_VOL_WIPE_ALG_RANDOM,
    "nnsa": libvirt.VIR_STORAGE_VOL_WIPE_ALG_NNSA,
    "dod": libvirt.VIR_STORAGE_VOL_WIPE_ALG_DOD,
    "bsi": libvirt.VIR_STORAGE_VOL_WIPE_ALG_BSI,
    "gutmann": libvirt.VIR_STORAGE_VOL_WIPE_ALG_GUTMANN,
    "schneier": libvirt.VIR_STORAGE_VOL_WIPE_ALG_SCHNEIER,
    "trim": libvirt.VIR_STORAGE_VOL_WIPE_ALG_TRIM,
}


@dataclass(frozen=True, slots=True)
class VolumeSeen:
    """A volume as its host shows it; fields as in virt.xml.read.volume."""

    name: str
    key: str
    kind: str
    path: str
    format: str
    capacity_bytes: int
    allocation_bytes: int
    backing_path: str
    backing_format: str
    encrypted: bool


# ── seeing ──


def read(connection: Connection, pool: str, name: str) -> VolumeSeen:
    """One volume as it is now. Raises NotFound."""
    with translate():
        return see(_volume(connection, pool, name))


def list_names(connection: Connection, pool: str) -> list[str]:
    """One call, however many there are."""
    with translate():
        return sorted(volume.name() for volume in _pool(connection, pool).listAllVolumes(0))


def exists(connection: Connection, pool: str, name: str) -> bool:
    try:
        with translate():
            _volume(connection, pool, name)
    except NotFound:
        return False
    return True


class Memory:
    """What was read of a pool's volumes, so that looking again at ten thousand of them is not ten thousand calls.

    The list itself is one call. Those that are new are read, one call each; those that are known are read again the
    oldest first, as long as time is left. So a disk that grows is seen late in a large pool, a new one at once.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Seconds, VolumeSeen]] = {}

    def look(self, pool: libvirt.virStoragePool, spare: Seconds) -> tuple[VolumeSeen, ...]:
        """All volumes by name. `spare`: for how long the known ones are read again."""
        listed = {volume.name(): volume for volume in pool.listAllVolumes(0)}
        for name in self._seen.keys() - listed.keys():
            del self._seen[name]
        until = time.monotonic() + spare
        known = sorted((name for name in listed if name in self._seen), key=lambda name: self._seen[name][0])
        for name in [name for name in listed if name not in self._seen]:
            self._read(name, listed[name])
        for name in known:
            if time.monotonic() >= until:
                break
            self._read(name, listed[name])
        return tuple(self._seen[name][1] for name in sorted(self._seen))

    def _read(self, name: str, volume: libvirt.virStorageVol) -> None:
        try:
            now, before, seen = time.monotonic(), self._seen.get(name), see(volume)
        except libvirt.libvirtError as exc:
            if not answered(exc, (libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR)):
                raise
            self._seen.pop(name, None)  # it went away meanwhile, or can't be read: one file must not hide the others
        else:
            self._seen[name] = (now, before[1] if before and before[1] == seen else seen)


def see(volume: libvirt.virStorageVol) -> VolumeSeen:
    """Inside `translate()`."""
    found = read_volume(volume.XMLDesc(0))
    return VolumeSeen(**{field: getattr(found, field) for field in VolumeDefinition.__slots__})


# ── making and changing ──


def create(connection: Connection, pool: str, spec: VolumeSpec) -> str:
    """Make a volume; its path. Nothing is left of one that could not be made. Raises Conflict for a name that is taken."""
    build_xml(spec)
    with translate():
        found = _pool(connection, pool)
        try:
            return found.createXML(_xml_for(found, spec), 0).path()
        except libvirt.libvirtError as exc:
            if exc.get_error_code() == libvirt.VIR_ERR_STORAGE_VOL_EXIST:
                raise Conflict(f"A volume {spec.name} is in the pool already.", str(exc)) from exc
            raise


def delete(connection: Connection, pool: str, name: str) -> None:
    """Delete for good. Who uses it is not asked here (virt.usage)."""
    with translate():
        _volume(connection, pool, name).delete(0)


def clone(
    connection: Connection,
    source_pool: str,
    source: str,
    pool: str,
    spec: VolumeSpec,
    *,
    progress: Callable[[float], None] = lambda percent: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> str:
    """Copy a volume, into any pool of the same host; the new one's path.

    libvirt can't stop a copy that runs: one that was `cancelled` meanwhile is removed when it ends, and "" returned.
    """
    build_xml(spec)
    with translate():
        original, target = _volume(connection, source_pool, source), _pool(connection, pool)
        total = original.info()[2]
        with _Watch(connection, pool, spec.name, total, progress):
            made = target.createXMLFrom(_xml_for(target, spec), original, 0)
        if cancelled():
            made.delete(0)
            return ""
        return made.path()


def resize(connection: Connection, pool: str, name: str, capacity_bytes: int, *, shrink: bool = False, allocate: bool = False) -> None:
    """Another capacity. `shrink`: what lies behind the new end is lost."""
    flags = libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK if shrink else 0
    flags |= libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE if allocate else 0
    with translate():
        volume = _volume(connection, pool, name)
        if not shrink and capacity_bytes < volume.info()[1]:
            raise Invalid("The new size is smaller than the present one: what lies behind the new end would be lost.")
        volume.resize(capacity_bytes, flags)


def wipe(connection: Connection, pool: str, name: str, algorithm: WipeAlgorithm = "zero") -> None:
    """Overwrite all of it. As long as the volume is big; can't be stopped."""
    with translate():
        _volume(connection, pool, name).wipePattern(WIPE_ALGORITHMS[algorithm], 0)


# ── contents ──


class Writing:
    """An upload that is open: `send` as often as there is something, then `finish`. Leaving it otherwise aborts it.

    What `finish` returned for is in the host's file; of what was only sent, nobody knows. `sparse`: the volume is new and
    empty behind `offset`, so that `skip` need not send zeros. A thread of its own passes the bytes on, a few packets behind,
    so that the next ones are prepared meanwhile; what goes wrong there is raised by the next call.
    """

    def __init__(self, connection: Connection, pool: str, name: str, offset: int, length: int, *, sparse: bool = False) -> None:
        with translate():
            volume = _volume(connection, pool, name)
            self._stream: libvirt.virStream | None = connection.raw.newStream(0)
            volume.upload(self._stream, offset, length, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM if sparse else 0)
        self._waiting: SimpleQueue[bytes | int | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(_PACKETS_AHEAD):
            self._room.put(None)
        self._error: Exception | None = None
        self._dropped = False
        self._thread = threading.Thread(target=self._pass_on, args=(self._stream,), name="upload", daemon=True)
        self._thread.start()

    def __enter__(self) -> Writing:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abort()

    def send(self, data: bytes) -> None:
        """Waits while the host is slower than we are."""
        for start in range(0, len(data), PACKET_BYTES):
            self._hand_over(data[start : start + PACKET_BYTES])

    def skip(self, length: int) -> None:
        """So many bytes of zeros that are not sent. Only for one opened as `sparse`."""
        self._hand_over(length)

    def finish(self) -> None:
        stream = self._close()
        if stream:
            if self._error:
                _abort_quietly(stream)
                raise self._error
            with translate():
                stream.finish()

    def abort(self) -> None:
        self._dropped = True
        stream = self._close()
        if stream:
            _abort_quietly(stream)  # the host may have ended it first

    def _hand_over(self, what: bytes | int) -> None:
        if self._stream is None:
            raise VirtError("The upload is over.")
        self._room.get()
        if self._error:
            self._room.put(None)
            raise self._error
        self._waiting.put(what)

    def _close(self) -> libvirt.virStream | None:
        """All is passed on, or dropped."""
        stream, self._stream = self._stream, None
        if stream:
            self._waiting.put(None)
            self._thread.join()
        return stream

    def _pass_on(self, stream: libvirt.virStream) -> None:
        while (what := self._waiting.get()) is not None:
            if not self._error and not self._dropped:
                try:
                    with translate():
                        _pass_one(stream, what)
                except Exception as exc:
                    self._error = exc
            self._room.put(None)


def _pass_one(stream: libvirt.virStream, what: bytes | int) -> None:
    """Some bytes, or the length of a hole."""
    if isinstance(what, int):
        stream.sendHole(what)
        return
    while what:
        what = what[stream.send(what) :]


def upload(connection: Connection, pool: str, name: str, offset: int, length: int, chunks: Iterable[bytes]) -> int:
    """Write `chunks`, `length` bytes in all, into a volume from `offset` on; how many there were. Memory: one chunk."""
    sent = 0
    with Writing(connection, pool, name, offset, length) as writing:
        for chunk in chunks:
            writing.send(chunk)
            sent += len(chunk)
        writing.finish()
    return sent


def download(connection: Connection, pool: str, name: str, offset: int = 0, length: int = 0) -> Iterator[bytes]:
    """What is in a volume, in pieces of at most 256 KiB; `length` 0: up to its end."""
    with translate():
        volume = _volume(connection, pool, name)
        stream = connection.raw.newStream(0)
        volume.download(stream, offset, length, 0)
        over = False
        try:
            while data := stream.recv(PACKET_BYTES):
                yield data
            stream.finish()
            over = True
        finally:
            if not over:
                _abort_quietly(stream)


@dataclass(frozen=True, slots=True)
class Contents:
    """How long the file (or device) is, and when it was last written to, as the host says it: together they name a state of it."""

    size_bytes: int
    modified: str


def contents(connection: Connection, pool: str, name: str) -> Contents:
    with translate():
        volume = _volume(connection, pool, name)
        size = int(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])
        return Contents(size, read_modified(volume.XMLDesc(0)))


# ── helpers ──


def _pool(connection: Connection, uuid: str) -> libvirt.virStoragePool:
    return connection.raw.storagePoolLookupByUUIDString(uuid)


def _xml_for(pool: libvirt.virStoragePool, spec: VolumeSpec) -> str:
    kind = KINDS.get(read_pool_kind(pool.XMLDesc(0)))
    return build_xml(spec, says_format=kind is None or kind.says_format)


def _volume(connection: Connection, pool: str, name: str) -> libvirt.virStorageVol:
    return _pool(connection, pool).storageVolLookupByName(name)


def _abort_quietly(stream: libvirt.virStream) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        return


class _Watch:
    """Tells how far a copy has come, by what the new volume takes on the disk."""

    def __init__(self, connection: Connection, pool: str, name: str, total_bytes: int, progress: Callable[[float], None]) -> None:
        self._where = (connection, pool, name)
        self._total = total_bytes
        self._progress = progress
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clone-progress", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join(5)

    def _run(self) -> None:
        while self._total and not self._over.wait(_LOOK_SECONDS):
            try:
                taken = _volume(*self._where).info()[2]
            except libvirt.libvirtError:
                continue  # it has only just begun, or ends
            self._progress(min(99.0, 100 * taken / self._total))
