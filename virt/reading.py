"""Reading a volume here and there, without fetching all of it: headers, tables, the members of an archive."""

from __future__ import annotations

import libvirt

from virt import volume as virt_volume
from virt.connection import Connection
from virt.translation import translate

_PAGE = 256 * 1024
_PAGES_KEPT = 16


class Reader:
    """`read(offset, length)` gives the bytes there, fewer at the end. Memory: sixteen pages of 256 KiB, and what is asked for at once."""

    def __init__(self, connection: Connection, pool: str, name: str) -> None:
        self._where = (connection, pool, name)
        self.size = physical_bytes(connection, pool, name)
        self._pages: dict[int, bytes] = {}

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        if offset < 0 or offset >= end:
            return b""
        if end - offset > _PAGE * 4:
            return self._fetch(offset, end - offset)
        pages = range(offset // _PAGE, (end - 1) // _PAGE + 1)
        data = b"".join(self._page(number) for number in pages)
        start = offset - pages[0] * _PAGE
        return data[start : start + end - offset]

    def _page(self, number: int) -> bytes:
        if number not in self._pages:
            if len(self._pages) >= _PAGES_KEPT:
                del self._pages[next(iter(self._pages))]
            start = number * _PAGE
            self._pages[number] = self._fetch(start, min(_PAGE, self.size - start))
        return self._pages[number]

    def _fetch(self, offset: int, length: int) -> bytes:
        return b"".join(virt_volume.download(*self._where, offset, length))


def physical_bytes(connection: Connection, pool: str, name: str) -> int:
    """How long the file (or device) is, whatever an image in it says of itself."""
    with translate():
        volume = connection.raw.storagePoolLookupByUUIDString(pool).storageVolLookupByName(name)
        return int(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])
