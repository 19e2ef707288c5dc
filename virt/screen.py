"""A picture of what a machine shows right now."""

from __future__ import annotations

import contextlib
import re
import struct
import zlib

import libvirt

from virt.connection import Connection
from virt.errors import OperationFailed
from virt.translation import translate

LARGEST = 64 * 2**20  # bytes; the guest chooses its resolution, not our memory


_PPM = re.compile(rb"P6\s+(\d{1,6})\s+(\d{1,6})\s+255\s")


def screenshot(connection: Connection, uuid: str) -> tuple[str, bytes]:
    """MIME type and bytes of the first screen. A PPM (QEMU before 7.1) is turned into a PNG, which browsers show.

    Raises WrongState when the machine does not run, Unsupported without a screen, OperationFailed for a broken picture.
    """
    with translate():
        raw = connection.aside
        stream = raw.newStream(0)
        mime = raw.lookupByUUIDString(uuid).screenshot(stream, 0, 0)
        data = _receive(stream)
    if mime == "image/x-portable-pixmap":
        return "image/png", png_from_ppm(data)
    return mime, data


def png_from_ppm(data: bytes) -> bytes:
    """A binary PPM of 8 bits a channel (netpbm's P6) as PNG. Raises OperationFailed when it is none."""
    header = _PPM.match(data)
    if not header:
        raise OperationFailed("The host sent a picture in an unknown format.")
    width, height = int(header[1]), int(header[2])
    pixels, row = memoryview(data)[header.end() :], 3 * width
    if not 0 < width * height * 3 <= len(pixels):
        raise OperationFailed("The host sent half a picture.")
    lines = b"".join(b"\0" + pixels[y * row : (y + 1) * row] for y in range(height))
    about = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", about), (b"IDAT", zlib.compress(lines, 3)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _receive(stream: libvirt.virStream) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        while part := stream.recv(256 * 1024):
            size += len(part)
            if size > LARGEST:
                raise OperationFailed("The machine's picture is too large.")
            parts.append(part)
        stream.finish()
    except BaseException:
        with contextlib.suppress(libvirt.libvirtError):
            stream.abort()
        raise
    return b"".join(parts)
