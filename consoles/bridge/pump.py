"""The bytes of one console, both ways, in the thread of its handler, until somebody ends it."""

from __future__ import annotations

import contextlib
import logging
import mmap
import select
import socket
import time
from collections.abc import Callable

from consoles.bridge.closing import Closing, Code
from consoles.bridge.framing import BrowserSocket, Garbage
from consoles.bridge.tls import TlsSocket

logger = logging.getLogger(__name__)

Sieve = Callable[[bytes], bytes]

# Much at a time is quick: with 256 KiB it was a quarter slower (docs/decisions/0004). Its pages become memory only when they are used.
_CHUNK = 4 << 20
_KEPT = 64 * 1024  # of them while the display says little
_TURNS = 8  # a display that says much is heard so often before the browser is heard again
_KNOCK_SECONDS = 20.0
_SILENT_SECONDS = 70.0
_FAREWELL_SECONDS = 1.0
_STEP_SECONDS, _BUSY_STEP_SECONDS = 1.0, 0.2
_READ, _WRITE, _BROKEN = select.POLLIN, select.POLLOUT, select.POLLERR | select.POLLHUP | select.POLLNVAL


class Pump:
    """Carries bytes between a browser and a display.

    Neither side is read while the other does not take what was read before, so that nothing piles up. `sieve`: what of
    the browser's bytes may reach the display. `end` may be called from any thread.
    """

    def __init__(self, browser: BrowserSocket, display: socket.socket, sieve: Sieve | None = None) -> None:
        self._browser = browser
        self._display = display
        self._encrypted = display if isinstance(display, TlsSocket) else None
        self._sieve = sieve
        self._waiting = b""  # for the display
        self._end: Closing | None = None
        self.shown = 0
        self.typed = 0

    def end(self, closing: Closing) -> None:
        """Stop within a moment, whatever it waits for."""
        if self._end is None:
            self._end = closing
        with contextlib.suppress(OSError):
            self._display.shutdown(socket.SHUT_RDWR)

    def run(self, typed_already: bytes = b"") -> Closing:
        """Until it ends, and why. Closes neither socket."""
        self._browser.setblocking(False)
        self._display.setblocking(False)
        self._pages = mmap.mmap(-1, _CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._buffer, self._used = memoryview(self._pages), 0
        self._poll, self._watched = select.poll(), dict[int, int]()
        self._knocked_at = time.monotonic()
        try:
            self._type([typed_already] if typed_already else [])
            while self._end is None:
                self._step()
        except Closing as closing:
            return self._end or closing
        except Garbage as exc:
            return self._end or Closing(Code.NORMAL, f"The browser sent garbage: {exc}.")
        except OSError as exc:
            logger.debug("a console broke: %s", exc)
            return self._end or Closing(Code.NORMAL, "The browser went away.")
        return self._end

    def _step(self) -> None:
        browser, display = self._browser.raw.fileno(), self._display.fileno()
        is_congested = self._browser.is_congested
        self._watch(browser, (0 if self._waiting else _READ) | (_WRITE if is_congested else 0))
        self._watch(display, (0 if is_congested else _READ) | (_WRITE if self._waiting else 0))
        # What TLS has decrypted already, the kernel does not know of.
        more = bool(self._encrypted and self._encrypted.pending()) and not is_congested
        ready = dict(self._poll.poll(0 if more else 1000 * (_BUSY_STEP_SECONDS if is_congested else _STEP_SECONDS)))
        if more:
            ready[display] = ready.get(display, 0) | _READ
        if ready.get(browser, 0) & _WRITE:
            self._browser.flush()
        if ready.get(display, 0) & _WRITE:
            self._send_on()
        if ready.get(browser, 0) & (_READ | _BROKEN):
            self._hear_browser()
        if ready.get(display, 0) & (_READ | _BROKEN) and self._end is None:
            self._hear_display()
        self._notice_silence()

    def _watch(self, descriptor: int, events: int) -> None:
        """A browser that goes is heard of even while nothing of it is wanted. A display that hung up would wake us again and again: it is left out."""
        if self._watched.get(descriptor) == events:
            return
        if events or descriptor == self._browser.raw.fileno():
            self._poll.register(descriptor, events)
        elif descriptor in self._watched:
            self._poll.unregister(descriptor)
        self._watched[descriptor] = events

    def _hear_display(self) -> None:
        for _turn in range(_TURNS):
            size = None if self._browser.is_congested else self._take()
            if size is None:
                return
            self._browser.show(self._buffer[:size])
            self.shown += size
            self._used = max(self._used, size)
            if size < _CHUNK:
                self._give_back(size)
                return

    def _give_back(self, size: int) -> None:
        """The memory of much, once little is said."""
        if size <= _KEPT < self._used and not self._browser.is_congested:
            self._pages.madvise(mmap.MADV_DONTNEED)
            self._used = 0

    def _take(self) -> int | None:
        """How many bytes were taken from the display; None for none."""
        try:
            size = self._display.recv_into(self._buffer)
        except BlockingIOError:
            return None
        except OSError as exc:
            raise DisplayGone(str(exc)) from exc
        if size == 0:
            raise DisplayGone("it closed the connection")
        return size

    def _hear_browser(self) -> None:
        messages = self._browser.messages()
        if messages is None:
            raise Closing(Code.NORMAL, "The browser went away.")
        self._type(messages)

    def _type(self, messages: list[bytes]) -> None:
        for message in messages:
            allowed = self._sieve(message) if self._sieve else message
            self._waiting += allowed
            self.typed += len(allowed)
        self._send_on()

    def _send_on(self) -> None:
        if not self._waiting:
            return
        try:
            sent = self._display.send(self._waiting)
        except BlockingIOError:
            return
        except OSError as exc:
            raise DisplayGone(str(exc)) from exc
        self._waiting = self._waiting[sent:]

    def _notice_silence(self) -> None:
        now = time.monotonic()
        if now - self._browser.heard_at > _SILENT_SECONDS:
            raise Closing(Code.NORMAL, "The browser fell silent.")
        if now - max(self._browser.heard_at, self._knocked_at) > _KNOCK_SECONDS:
            self._knocked_at = now
            self._browser.knock()


class DisplayGone(Closing):
    """The display hung up: the machine stopped, moved, or the way to it broke. Who knows the host finds out which."""

    def __init__(self, detail: str) -> None:
        super().__init__(Code.UNREACHABLE, "The display closed the connection.")
        self.detail = detail


def say_farewell(browser: BrowserSocket, closing: Closing) -> None:
    """Tell the browser why, after what it was shown, and wait a moment for it to have read it: closing at once could throw the words away."""
    until = time.monotonic() + _FAREWELL_SECONDS
    try:
        raw = browser.raw
        raw.setblocking(False)
        browser.bid_farewell(closing.code, closing.words)
        while browser.is_congested and _waits(raw, _WRITE, until):
            browser.flush()
        raw.shutdown(socket.SHUT_WR)
        while _waits(raw, _READ, until) and raw.recv(65536):
            pass
    except (OSError, AssertionError, AttributeError) as exc:
        logger.debug("a browser did not wait for the good-bye: %s", exc)


def _waits(sock: socket.socket, event: int, until: float) -> bool:
    """Whether it is so far before the time is over."""
    poll = select.poll()
    poll.register(sock, event)
    return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))
