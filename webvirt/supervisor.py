"""Keeps a handful of processes alive: starts them in order, puts them back when they die, stops them without leaving anybody behind.

Knows nothing of Django or of what the processes do (webvirt/stack.py says that). One thread, one selector: it sleeps until a child writes, a child
ends (pidfd), a signal arrives or a restart is due.

No orphan survives, whoever dies first:
1. every child leads a process group of its own, which is killed when its leader ends;
2. the kernel kills a child whose supervisor is gone (PR_SET_PDEATHSIG), so `kill -9` of the supervisor takes all with it.
"""

from __future__ import annotations

import ctypes
import enum
import io
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TextIO

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
# A child that lived this long was well; its next death starts with the shortest pause again.
WELL_AFTER_SECONDS = 30.0
_READY_POLL_SECONDS = 0.02
_COLOURS = (36, 32, 33, 35, 34, 31, 96, 92)
_READ_BYTES = 65536
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


@dataclass(frozen=True)
class Child:
    """One process to keep alive."""

    name: str
    # Runs in the forked process; returning is exit status 0. It may exec.
    run: Callable[[], None]
    # Children of a lower stage are told to stop, and are gone, before those of the next one are told.
    stop_stage: int
    # How long it may take to end after SIGTERM, before it is killed with its group.
    stop_seconds: float
    # The next child in the list starts when this says yes; None: at once.
    ready: Callable[[], bool] | None = None
    # Does its work once: ending with 0 is not a death.
    once: bool = False
    # Lines for the person at the terminal, printed when it is ready for the first time.
    announce: tuple[str, ...] = ()


class Supervisor:
    """Runs children until it is told to stop (SIGINT, SIGTERM, SIGHUP). A second signal stops the waiting and kills."""

    def __init__(self, children: list[Child], *, out: TextIO | None = None) -> None:
        self._out = _Log(out or sys.stdout, width=max(len(child.name) for child in children))
        self._running = [_Running(child, self._out, colour) for child, colour in zip(children, _endless_colours(), strict=False)]
        self._not_started = list(self._running)
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._signalled_at = 0.0

    def run(self) -> int:
        """The exit status: 0 after an orderly stop, 1 when a child had to be killed."""
        # Before the forks: the children inherit it, and a stream that was a file cannot be changed once it is a pipe.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
        with self._listening_to_signals(), self._selector:
            while not self._signals:
                self._start_what_is_due()
                self._wait(self._seconds_to_next_step())
            return self._stop()

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for running in self._running:
            if running.pid is None and running.due is not None and running.due <= now:
                self._start(running)
        while self._not_started:
            head = self._not_started[0]
            if head.starts == 0:
                self._start(head)
            if not head.is_ready():
                return
            self._not_started.pop(0)
            for line in head.child.announce:
                self._out.line("", line)

    def _start(self, running: _Running) -> None:
        running.start(close=[other.pipe for other in self._running if other.pipe is not None])
        self._selector.register(running.pipe_or_fail, selectors.EVENT_READ, lambda: self._spoke(running))
        self._selector.register(running.pidfd_or_fail, selectors.EVENT_READ, lambda: self._ended(running))

    def _spoke(self, running: _Running) -> None:
        if running.read() is _Read.CLOSED:
            # It closed its output and lives on: nothing more to wait for.
            self._selector.unregister(running.pipe_or_fail)

    def _ended(self, running: _Running) -> None:
        for descriptor in (running.pidfd_or_fail, running.pipe_or_fail):
            with suppress(KeyError):
                self._selector.unregister(descriptor)
        running.reap(stopping=bool(self._signals))

    def _seconds_to_next_step(self) -> float | None:
        if self._not_started and self._not_started[0].pid is not None:
            return _READY_POLL_SECONDS
        due = [running.due for running in self._running if running.due is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _wait(self, seconds: float | None) -> None:
        for key, _ in self._selector.select(seconds):
            # A child that ended in this round has taken its pipe out of the selector.
            if key.fd in self._selector.get_map():
                key.data()

    def _stop(self) -> int:
        killed = False
        for stage in sorted({running.child.stop_stage for running in self._running}):
            members = [running for running in self._running if running.child.stop_stage == stage and running.pid is not None]
            for running in members:
                running.tell_to_stop()
            killed |= self._wait_for_end(members)
        self._out.line("", "Stopped.")
        return int(killed)

    def _wait_for_end(self, members: list[_Running]) -> bool:
        """Whether any of them had to be killed."""
        asked_at, killed = time.monotonic(), False
        while alive := [running for running in members if running.pid is not None]:
            waited = time.monotonic() - asked_at
            for running in alive:
                if self._signals > 1 or waited >= running.child.stop_seconds:
                    running.kill()
                    killed = True
            self._wait(0.1)
        return killed

    @contextmanager
    def _listening_to_signals(self) -> Iterator[None]:
        """Signals become bytes on a socket, so that they wake the selector and never interrupt a step half-way."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, lambda *_: None) for number in watched}
        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, lambda: self._signalled(reader))
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            reader.close()
            writer.close()

    def _signalled(self, reader: socket.socket) -> None:
        with suppress(BlockingIOError):
            reader.recv(64)
        now = time.monotonic()
        # A closing terminal sends two different signals at once: one wish, not two.
        if self._signals and now - self._signalled_at < 1.0:
            return
        self._signals, self._signalled_at = self._signals + 1, now
        self._out.line("", "Stopping …" if self._signals == 1 else "Killing what is left …")


@dataclass(eq=False)
class _Running:
    """A child's life: its process now, its past deaths, its output."""

    child: Child
    out: _Log
    colour: int
    pid: int | None = None
    pidfd: int | None = None
    pipe: int | None = None
    # When to start again (monotonic seconds); None while it runs or when it need not run.
    due: float | None = None
    starts: int = 0
    _started_at: float = 0.0
    _pause: float = FIRST_PAUSE_SECONDS
    _rest: bytes = field(default=b"", repr=False)
    _stopping: bool = False
    _killed: bool = False

    @property
    def pipe_or_fail(self) -> int:
        assert self.pipe is not None, "the child was never started"
        return self.pipe

    @property
    def pidfd_or_fail(self) -> int:
        assert self.pidfd is not None, "the child was never started"
        return self.pidfd

    def start(self, *, close: list[int]) -> None:
        """Forks. `close` are the other children's pipes, which this one must not hold open."""
        self.pipe, writer = os.pipe()
        os.set_blocking(self.pipe, False)
        sys.stdout.flush()
        sys.stderr.flush()
        supervisor = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(self.child, writer, [self.pipe, *close], supervisor)
        os.close(writer)
        # Both sides set the group, so that it stands whoever runs first.
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)
        self.pid, self.pidfd = pid, os.pidfd_open(pid)
        self.due, self._started_at = None, time.monotonic()
        self.starts += 1

    def is_ready(self) -> bool:
        if self.child.ready is None:
            return self.starts > 0
        return self.pid is not None and self.child.ready()

    def read(self) -> _Read:
        """Passes on whole lines; keeps the rest for the next read."""
        try:
            data = os.read(self.pipe_or_fail, _READ_BYTES)
        except BlockingIOError:
            return _Read.NOTHING_NOW
        if not data:
            return _Read.CLOSED
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _READ_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._say(line.decode(errors="replace"))
        return _Read.DATA

    def tell_to_stop(self) -> None:
        self._stopping = True
        if self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kills the whole group, once."""
        if self.pid is not None and not self._killed:
            self._killed = True
            self._say("does not end by itself: killed")
            os.killpg(self.pid, signal.SIGKILL)

    def reap(self, *, stopping: bool) -> None:
        """After the leader's end: ends its group, reads its last words, plans the next start."""
        assert self.pid is not None
        # The unreaped leader still holds its number, so the group cannot be somebody else's.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._drain()
        for descriptor in (self.pipe_or_fail, self.pidfd_or_fail):
            os.close(descriptor)
        self.pid = self.pidfd = self.pipe = None
        if not (stopping or self._stopping or (self.child.once and status == 0)):
            self._plan_restart(status)

    def _drain(self) -> None:
        while self.read() is _Read.DATA:
            pass
        if self._rest:
            self._say(self._rest.decode(errors="replace"))
            self._rest = b""

    def _plan_restart(self, status: int) -> None:
        now = time.monotonic()
        if now - self._started_at >= WELL_AFTER_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        self._say(f"ended ({how}); starting again in {self._pause:g} s")
        self.due = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def _say(self, text: str) -> None:
        self.out.line(self.child.name, text, self.colour)


class _Read(enum.Enum):
    DATA = enum.auto()
    NOTHING_NOW = enum.auto()
    CLOSED = enum.auto()


class _Log:
    """One line at a time, each with the name of who said it; coloured on a terminal."""

    def __init__(self, out: TextIO, *, width: int) -> None:
        self._out = out
        self._width = width
        self._colour = out.isatty() and not os.environ.get("NO_COLOR")

    def line(self, name: str, text: str, colour: int = 1) -> None:
        label = f"{name:<{self._width}} │"
        if self._colour:
            label = f"\x1b[{colour}m{label}\x1b[0m"
        # A closed pipe (`… | head`, a terminal that went away) is no reason to let the machines' portal die.
        with suppress(OSError):
            print(label, text, file=self._out, flush=True)


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when the one that forked it ends (prctl(2), PR_SET_PDEATHSIG).

    Args:
        parent: the pid of the one that forked us; if it is gone already, so are we.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os._exit(1)


def _show_name(name: str) -> None:
    """What `ps` and `top` call this process, such as webvirt-watcher: they are all forks of one command line. The kernel keeps 15 characters."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, f"webvirt-{name}".encode(), 0, 0, 0)


def _become(child: Child, output: int, close: list[int], supervisor: int) -> None:
    """The forked process's whole life; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(supervisor)
        _fresh_signals()
        for descriptor in close:
            os.close(descriptor)
        _redirect(output)
        _show_name(child.name)
        child.run()
        status = 0
    except SystemExit as request:
        status = request.code if isinstance(request.code, int) else int(request.code is not None)
    except BaseException:
        logger.exception("the process failed")
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not sys.exit: the supervisor's own clean-up handlers must not run in its child.
        os._exit(status)


def _fresh_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    # Ctrl-C on the terminal is the supervisor's to hear: it stops the others in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _redirect(output: int) -> None:
    """Input from nowhere; output and errors into the supervisor's pipe."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)


def _endless_colours() -> Iterator[int]:
    while True:
        yield from _COLOURS
