"""A file that a worker fetches from another web server, straight into a volume."""

from __future__ import annotations

import hashlib
import time

from hosts.storage.transfers import outward
from hosts.storage.transfers.limits import largest_bytes
from hosts.storage.transfers.models import Made
from hosts.storage.transfers.outward import LinkBroken
from hosts.storage.transfers.receiving import Receiving
from jobs.registry import Result
from jobs.work import Work
from virt.errors import Invalid

_TRIES = 6
_PAUSE_SECONDS = (0, 1, 3, 10, 30, 60)


class FromUrl(Receiving):
    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._answer: outward.Answer | None = None

    def run(self) -> Result:
        try:
            return super().run()
        finally:
            self._hang_up()

    def prepare(self) -> None:
        """How large it is, before a volume is made for it."""
        self.work.phase(f"Asking for {self.incoming.file_name or self.incoming.url}", 0)
        self._open(0)

    def pass_on(self) -> None:
        incoming, failures, last = self.incoming, 0, self.at
        while self.at < incoming.size_bytes:
            try:
                answer = self._answer or self._open(self.at)
                for piece in answer.pieces():
                    self.stop_if_asked()
                    self.write(piece)
                    self.tell()
            except LinkBroken as exc:
                self._hang_up()
                failures = 0 if self.at > last else failures + 1
                if failures >= _TRIES - 1:
                    raise
                last = self.at
                self.work.log(f"{exc} It is asked again.")
                self.confirm()
                self._rest(_PAUSE_SECONDS[failures])

    def _open(self, first: int) -> outward.Answer:
        """Where the file is another one by now, all of it is fetched again."""
        incoming = self.incoming
        answer = outward.open_file(incoming.url, first=first, version=incoming.version)
        self._answer = answer
        self.work.on_cancel(answer.close)
        if not answer.size_bytes:
            raise Invalid("The file is empty.")
        if answer.size_bytes > largest_bytes():
            raise Invalid(f"The file is larger than may be brought here ({largest_bytes() // 2**30} GiB).")
        if incoming.made == Made.THERE and answer.size_bytes != incoming.size_bytes:
            raise Invalid("The file has another size than when it was begun: it was changed on the other server. Fetch it again.")
        if answer.first != first:
            self.abandon()
            incoming.go_back(0)
            incoming.note(is_clean=False)
            self.at, self.digest = 0, hashlib.sha256()
        incoming.note(size_bytes=answer.size_bytes, version=answer.version)
        return answer

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.stop_if_asked()
            time.sleep(0.2)

    def _hang_up(self) -> None:
        answer, self._answer = self._answer, None
        if answer:
            answer.close()
