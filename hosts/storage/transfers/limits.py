"""How much may be on its way at once."""

from __future__ import annotations

from django.conf import settings

MIB = 2**20

CHUNK_BYTES = 8 * MIB  # the most that a browser sends in one request
PIECE_BYTES = MIB  # what the web process gathers before it hands it to Redis, and a worker puts there for a download
WINDOW_BYTES = 4 * CHUNK_BYTES  # of one upload, in Redis
DOWNLOAD_PIECES = 16  # of one download, in Redis
MOST_UNFINISHED_OF_A_PERSON = 40
MOST_UNFINISHED_OF_A_HOST = 80
MOST_DOWNLOADS_OF_A_PERSON = 6


def largest_bytes() -> int:
    return int(settings.UPLOAD_LARGEST_GIB) * 2**30


def spool_bytes() -> int:
    """All uploads together, in Redis."""
    return max(int(settings.UPLOAD_SPOOL_MIB) * MIB, CHUNK_BYTES)


def forgotten_after_hours() -> int:
    """An upload for which nothing came so long is given up, and what there was of it is removed."""
    return max(1, int(settings.UPLOAD_KEPT_HOURS))
