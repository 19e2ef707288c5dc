"""A volume's content carried from one host to another through this process, holes left out. Memory: one packet."""

from __future__ import annotations

import os.path
from collections.abc import Callable

import libvirt

from virt.connection import Connection
from virt.errors import NotFound
from virt.folders import pool_at, volume_in
from virt.translation import translate
from virt.xml.build.volume import VolumeSpec, build_xml

_PACKET = 262_120  # as virt.volume.PACKET_BYTES
_HOLE = -3  # what recvFlags says before one


class Stopped(Exception):
    """`go_on` said no."""


def make_raw(connection: Connection, path: str, size_bytes: int) -> None:
    """A file to copy into, in a folder that need not be a pool, nor be there."""
    with translate(), pool_at(connection.raw, os.path.dirname(path), make=True) as pool:
        pool.createXML(build_xml(VolumeSpec(os.path.basename(path), size_bytes, "raw")), 0)


def size_of(connection: Connection, path: str) -> int:
    """What it takes of its disk. Raises NotFound."""
    with translate(), pool_at(connection.raw, os.path.dirname(path)) as pool:
        return int(_volume(pool, path).info()[2])


def copy(source: Connection, here: str, target: Connection, there: str, go_on: Callable[[int], bool]) -> None:
    """The bytes of the file at `here` into the volume at `there`, which exists. `go_on`: is told how many went over; False stops it (Stopped)."""
    with translate(), pool_at(source.raw, os.path.dirname(here)) as pool_here, pool_at(target.raw, os.path.dirname(there)) as pool_there:
        reading, writing = source.raw.newStream(0), target.raw.newStream(0)
        _volume(pool_here, here).download(reading, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        try:
            _volume(pool_there, there).upload(writing, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
            _pump(reading, writing, go_on)
        except BaseException:
            for stream in (reading, writing):
                _abort_quietly(stream)
            raise


def _pump(reading: libvirt.virStream, writing: libvirt.virStream, go_on: Callable[[int], bool]) -> None:
    sent = 0
    while True:
        data = reading.recvFlags(_PACKET, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE)
        if data == _HOLE:
            writing.sendHole(reading.recvHole())
            continue
        if not data:
            break
        assert isinstance(data, bytes)
        while data:
            data = data[writing.send(data) :]
        sent += _PACKET
        if not go_on(sent):
            raise Stopped
    reading.finish()
    writing.finish()


def _volume(pool: libvirt.virStoragePool, path: str) -> libvirt.virStorageVol:
    found = volume_in(pool, os.path.basename(path))
    if found is None:
        raise NotFound(f"{path} is not there.")
    return found


def _abort_quietly(stream: libvirt.virStream) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        return
