"""A browser's side of an upload, for tests: tus over one kept connection, with the ways in which a real one breaks."""

from __future__ import annotations

import base64
import http.client
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import wait_until
from tests.websession import WebSession

CHUNK = 8 * 2**20


@dataclass(frozen=True)
class Said:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def offset(self) -> int:
        assert "Upload-Offset" in self.headers, f"{self.status} {self.headers} {self.body[:300]!r}"
        return int(self.headers["Upload-Offset"])


class Upload:
    """One upload of a signed-in person. ``data`` is anything that can be sliced."""

    def __init__(self, web: WebSession, location: str, data: Any) -> None:
        self.web, self.location, self.data = web, location, data
        self.pk = location.rstrip("/").rpartition("/")[2]
        self._link = http.client.HTTPConnection(web.address, timeout=60)

    @classmethod
    def create(cls, web: WebSession, pool: int, name: str, data: Any, **metadata: str) -> Upload:
        said = ask(web, "POST", f"/storage/pools/{pool}/uploads/", {"Upload-Length": str(len(data)), "Upload-Metadata": encoded(name=name, **metadata)})
        assert said.status == 201, f"{said.status} {said.body[:300]!r}"
        return cls(web, said.headers["Location"], data)

    def patch(self, offset: int, body: bytes, **headers: str) -> Said:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", **names}
        return ask(self.web, "PATCH", self.location, fields, body, link=self._link)

    def head(self) -> Said:
        return ask(self.web, "HEAD", self.location)

    def status(self) -> dict[str, Any]:
        import json

        return dict(json.loads(self.web.get(self.location).body))

    def run(self, until: int | None = None, *, seconds: float = 90.0, between: Callable[[int], None] = lambda offset: None) -> None:
        """Bring all of it (or the bytes before ``until``), as the page's script does: what breaks is asked for and begun again."""
        end, deadline = len(self.data) if until is None else until, time.monotonic() + seconds
        offset: int | None = None
        while offset is None or offset < end:
            assert time.monotonic() < deadline, f"the upload hangs at {offset}: {self.status()}"
            try:
                if offset is None:
                    said = self.head()
                    if said.status == 410:  # it has ended, badly
                        return
                    assert said.status == 200, f"HEAD: {said.status} {said.body!r}"
                    offset = said.offset
                    continue
                between(offset)
                said = self.patch(offset, self.data[offset : min(end, offset + CHUNK)])
            except (OSError, http.client.HTTPException):
                self._link.close()
                time.sleep(0.2)
                offset = None
                continue
            if said.status == 204:
                offset = said.offset
            else:
                assert said.status in (409, 410, 423, 500, 503), f"PATCH: {said.status} {said.body[:300]!r}"
                time.sleep(0.3)
                offset = None

    def finish(self, *, seconds: float = 120.0) -> dict[str, Any]:
        """Bring the rest, again and again while something breaks, and wait until it is whole; how it ended."""
        deadline = time.monotonic() + seconds
        while True:
            state = self.status()
            if state["state"] not in ("queued", "running"):
                return state
            if state["offset"] < len(self.data):
                self.run(seconds=deadline - time.monotonic())
            assert time.monotonic() < deadline, f"it does not end: {state}"
            time.sleep(0.2)

    def break_off(self, offset: int, body: bytes, whole: int) -> None:
        """Announce a chunk of ``whole`` bytes, send some, and be gone."""
        link = http.client.HTTPConnection(self.web.address, timeout=30)
        link.putrequest("PATCH", self.location)
        fields = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", "Content-Length": str(whole)}
        for name, value in {**common(self.web), **fields}.items():
            link.putheader(name, value)
        link.endheaders(body)
        time.sleep(0.5)
        link.close()

    def cancel(self) -> Said:
        return ask(self.web, "DELETE", self.location)

    def wait_until_written(self, count: int, look: Callable[[], int], *, seconds: float = 30.0) -> None:
        wait_until(f"{count} bytes are on the host", lambda: look() >= count, seconds=seconds, every=0.1)


def ask(web: WebSession, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None, link: Any = None) -> Said:
    own = link or http.client.HTTPConnection(web.address, timeout=60)
    own.request(method, path, body, {**common(web), **(headers or {})})
    answer = own.getresponse()
    content = answer.read()
    if link is None:
        own.close()
    return Said(answer.status, answer.headers, content)


def common(web: WebSession) -> dict[str, str]:
    token = dict(part.split("=", 1) for part in web.cookie.split("; "))["csrftoken"]
    return {"Cookie": web.cookie, "X-CSRFToken": token, "Tus-Resumable": "1.0.0", "WV-Async": "1"}


def encoded(**metadata: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())


def iso(size: int, seed: int = 1) -> bytes:
    """As an installation image begins; random behind it, with a hole of zeros in the middle."""
    data = bytearray(random.Random(seed).randbytes(size))
    data[32769:32774] = b"CD001"
    data[: 32 * 1024] = bytes(32 * 1024)
    third = size // 3
    data[third : third + third // 2] = bytes(third // 2)
    return bytes(data)


def same(path: Path, data: bytes) -> bool:
    return path.stat().st_size == len(data) and path.read_bytes() == data
