"""Digests as people and programs write them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from virt.errors import Invalid

_BY_LENGTH = {64: "sha256", 96: "sha384", 128: "sha512"}
KNOWN = tuple(_BY_LENGTH.values())


def read(text: str) -> str:
    """ "sha256:<hex>" of what somebody typed or copied from a list of sums, "" for nothing. Raises Invalid."""
    words = text.strip().split()
    if not words:
        return ""
    name, _, digits = words[0].lower().rpartition(":")
    if not re.fullmatch(r"[0-9a-f]+", digits) or _BY_LENGTH.get(len(digits)) is None or (name and name.replace("-", "") != _BY_LENGTH[len(digits)]):
        raise Invalid("This is no SHA-256, SHA-384 or SHA-512 sum: 64, 96 or 128 digits from 0 to f.")
    return f"{_BY_LENGTH[len(digits)]}:{digits}"


def of_header(text: str) -> tuple[str, bytes] | None:
    """tus' Upload-Checksum: "sha1 <base64>"; None when there is none. Raises Invalid."""
    if not text:
        return None
    name, _, encoded = text.strip().partition(" ")
    if name not in ("sha1", "sha256", "sha512"):
        raise Invalid("Checksums are sha1, sha256 or sha512.")
    try:
        value = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Invalid("The checksum is not base64.") from exc
    if len(value) != hashlib.new(name).digest_size:
        raise Invalid("The checksum has not the length that it should have.")
    return name, value
