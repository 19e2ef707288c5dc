"""Pictures of screens: what an older QEMU sends becomes what a browser shows."""

from __future__ import annotations

import struct
import zlib

import pytest

from virt.errors import OperationFailed
from virt.screen import png_from_ppm

_PIXELS = bytes(range(18))  # 3 × 2


@pytest.mark.parametrize("header", [b"P6\n3 2\n255\n", b"P6 3 2 255 ", b"P6\n3\n2\n255\n"])
def test_ppm_becomes_png(header: bytes) -> None:
    assert _decoded(png_from_ppm(header + _PIXELS)) == (3, 2, _PIXELS)


def test_size_that_looks_like_the_depth() -> None:
    pixels = bytes(255 * 3)
    assert _decoded(png_from_ppm(b"P6\n255 1\n255\n" + pixels)) == (255, 1, pixels)


def test_pixels_that_look_like_blanks() -> None:
    assert _decoded(png_from_ppm(b"P6\n2 1\n255\n" + b"\n \t\n \t")) == (2, 1, b"\n \t\n \t")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"P6\n3 2\n255\n" + _PIXELS[:-1],
        b"P6\n3 2\n65535\n" + _PIXELS * 2,
        b"P6\n-3 2\n255\n" + _PIXELS,
        b"P6\n0 2\n255\n",
        b"P6\n999999999 999999999\n255\n" + _PIXELS,
        b"P5\n3 2\n255\n" + _PIXELS,
    ],
)
def test_no_picture(data: bytes) -> None:
    with pytest.raises(OperationFailed):
        png_from_ppm(data)


def _decoded(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and pixels; checks every chunk's sum."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size) == (zlib.crc32(kind + body),)
        chunks[kind], at = body, at + 12 + size
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    raw, row = zlib.decompress(chunks[b"IDAT"]), 3 * width + 1
    assert len(raw) == row * height
    return width, height, b"".join(raw[y * row + 1 : (y + 1) * row] for y in range(height))
