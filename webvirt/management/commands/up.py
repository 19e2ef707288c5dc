"""`manage.py up`: all of WebVirt on one machine, in one terminal."""

from __future__ import annotations

import argparse
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from webvirt import launch, prepare, redis_server, stack
from webvirt.supervisor import Supervisor


class Command(BaseCommand):
    help = "Starts everything and keeps it running: Redis, web, watcher, workers, schedule. Ctrl-C stops it all."
    # The system check imports every view; the web process does that anyway, and script/lint checks.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        launch.add_arguments(parser)

    def handle(self, *, bind: str, port: int, data: str, **_: Any) -> None:
        os.umask(0o077)
        home = _private(Path(settings.DATA_DIR))
        with _only_one(home):
            listener = _listen(bind, port)
            redis = _redis()
            try:
                link = prepare.in_child(prepare.prepare)
            except prepare.NotPrepared:
                raise CommandError("WebVirt did not start.") from None
            stack.preload()
            children = stack.children(listener=listener, redis=redis, announce=_words(listener, bind, link))
            sys.exit(Supervisor(children).run())


def _private(path: Path) -> Path:
    """The data directory, which holds keys: only its owner may look inside."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise CommandError(f"{path} belongs to another user. Choose another data directory with --data.")
    path.chmod(0o700)
    return path


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Two stacks on one data directory would share a database and fight for a socket; the lock ends with the process, however it ends."""
    with (home / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CommandError(f"WebVirt already runs on {home} (process {lock.read().strip() or 'unknown'}).") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _listen(bind: str, port: int) -> socket.socket:
    try:
        return launch.listen(bind, port)
    except OSError as problem:
        raise CommandError(f"Cannot listen on {bind} port {port}: {problem.strerror}. Another --bind or --port may help.") from None


def _redis() -> stack.Redis | None:
    """The Redis to start; None when REDIS_URL names one that runs."""
    if os.environ.get("REDIS_URL") or os.environ.get("REDIS_URL_FILE"):
        return None
    path = Path(settings.REDIS_URL.removeprefix("unix://"))
    try:
        redis_server.check_socket_path(path)
        binary = redis_server.server_binary()
    except redis_server.NoRedis as problem:
        raise CommandError(str(problem)) from None
    _private(path.parent)
    return stack.Redis(binary, path)


def _words(listener: socket.socket, bind: str, link: str | None) -> tuple[str, ...]:
    address = launch.address_of(listener)
    words = [f"WebVirt is at {address}/", f"Its data is in {settings.DATA_DIR}. Ctrl-C stops it."]
    if not launch.is_loopback(bind):
        words.append("It listens beyond this machine, unencrypted: put a reverse proxy with TLS before it (docker-compose.yml shows one).")
    if link:
        words.append(f"First visit: make the administrator at {address}{link} (works once)")
    return tuple(words)
