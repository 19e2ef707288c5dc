"""The part of tus 1.0 that is spoken here: core, creation, termination, checksum, expiration. https://tus.io/protocols/resumable-upload

The web process answers all but the bytes of a PATCH here; those the pump takes (pump.py) once the view has said yes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from hosts.storage.transfers import digests
from hosts.storage.transfers.limits import CHUNK_BYTES, largest_bytes
from virt.errors import Invalid

VERSION = "1.0.0"
PUMP_HEADER = "WV-Pump"  # to the pump alone: it never leaves the process
_MOST_METADATA = 4096
_MOST_DIGITS = 18


class Wrong(Exception):
    """The request is not what tus wants: status and words."""

    def __init__(self, status: int, words: str, **headers: str) -> None:
        super().__init__(words)
        self.status, self.headers = status, headers


@dataclass(frozen=True)
class Chunk:
    offset: int
    length: int
    checksum: str  # as in the header, checked already


def answer(status: int, words: str = "", **headers: Any) -> HttpResponse:
    """Names of headers with "_" for "-"."""
    response = HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
    response.headers["Tus-Resumable"] = VERSION
    response.headers["Cache-Control"] = "no-store"
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = str(value)
    return response


def complaint(status: int, words: str, **headers: Any) -> HttpResponse:
    """As `answer`, in the form that the API's errors have."""
    response = answer(status, json.dumps({"error": words}), **headers)
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    return response


def what_we_speak() -> HttpResponse:
    extensions = "creation,termination,checksum,expiration"
    return answer(204, Tus_Version=VERSION, Tus_Extension=extensions, Tus_Max_Size=largest_bytes(), Tus_Checksum_Algorithm="sha1,sha256,sha512")


def check_version(request: HttpRequest) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise Wrong(412, "This is tus 1.0.0.", Tus_Version=VERSION)


def metadata(request: HttpRequest) -> dict[str, str]:
    """Upload-Metadata: "filename d29ybGQ=,is_confidential"."""
    text = request.headers.get("Upload-Metadata") or ""
    if len(text) > _MOST_METADATA:
        raise Wrong(400, "There is too much metadata.")
    found = {}
    for pair in text.split(","):
        name, _, encoded = pair.strip().partition(" ")
        try:
            found[name] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError) as exc:
            raise Wrong(400, f"The metadata {name[:40]} is not base64 of UTF-8.") from exc
    return found


def number(headers: Mapping[str, str], header: str) -> int:
    text = headers.get(header) or ""
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise Wrong(400, f"{header} is not a number.")
    return int(text)


def chunk(headers: Mapping[str, str], size_bytes: int) -> Chunk:
    """What a PATCH is going to bring; `headers` by whatever case of their names."""
    if (headers.get("Content-Type") or "").strip().lower() != "application/offset+octet-stream":
        raise Wrong(415, "The body is application/offset+octet-stream.")
    offset, length = number(headers, "Upload-Offset"), number(headers, "Content-Length")
    if length > CHUNK_BYTES:
        raise Wrong(413, f"A chunk has at most {CHUNK_BYTES} bytes.")
    if offset + length > size_bytes:
        raise Wrong(400, "The chunk goes beyond the end of the file.")
    checksum = headers.get("Upload-Checksum") or ""
    try:
        digests.of_header(checksum)
    except Invalid as exc:
        raise Wrong(400, str(exc)) from exc
    return Chunk(offset, length, checksum)


def let_in(upload: str, size_bytes: int, expires: datetime) -> HttpResponse:
    """Yes: the pump takes the bytes, and answers."""
    response = answer(204, Upload_Expires=http_date(expires.timestamp()))
    response.headers[PUMP_HEADER] = json.dumps({"upload": upload, "size": size_bytes})
    return response
