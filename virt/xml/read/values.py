"""Small values that many elements hold: numbers, sizes with a unit, yes or no."""

from __future__ import annotations

from lxml import etree


def text(node: etree._Element | None, path: str = "") -> str:
    """The text at `path` below `node` ("" when it is not there)."""
    if node is None:
        return ""
    found = node.findtext(path) if path else node.text
    return (found or "").strip()


def attribute(node: etree._Element | None, name: str) -> str:
    """An attribute as text, "" when the node or the attribute is not there."""
    return "" if node is None else str(node.get(name) or "")


def whole(value: str, default: int = 0) -> int:
    """A whole number; `default` when the text is none."""
    try:
        return int(value)
    except ValueError:
        return default


def size_bytes(node: etree._Element | None) -> int:
    """A scaled size in bytes: <memory unit='KiB'>…; without a unit KiB, as libvirt means it (formatdomain)."""
    if node is None:
        return 0
    return whole(text(node)) * _UNITS.get(attribute(node, "unit") or "KiB", 1024)


_UNITS = {
    "b": 1,
    "bytes": 1,
    "KB": 10**3,
    "k": 2**10,
    "KiB": 2**10,
    "MB": 10**6,
    "M": 2**20,
    "MiB": 2**20,
    "GB": 10**9,
    "G": 2**30,
    "GiB": 2**30,
    "TB": 10**12,
    "T": 2**40,
    "TiB": 2**40,
}
