"""How the web process hands a browser's connection to the console bridge, on one machine and without a proxy in between.

The web process reads the request of a websocket for `/consoles/socket/`, passes the connection itself (the file descriptor,
SCM_RIGHTS, unix(7)) with what it read, and closes its own copy: no byte of a console ever goes through it.
This is the sending side; consoles/bridge/handed.py is the other. It imports neither Django nor the bridge.
"""

from __future__ import annotations

import socket
from pathlib import Path

LARGEST_HEAD = 32 * 1024


class NobodyThere(Exception):
    """The bridge does not take anything at the moment; trying again soon may help."""


def door(data_dir: Path) -> Path:
    """The socket on which the bridge waits: in the closed directory, so that nobody but us can hand it anything."""
    return data_dir / "run" / "consoles.sock"


def hand_over(path: Path, descriptor: int, head: bytes) -> None:
    """Pass a connection on, without waiting. Raises NobodyThere; ValueError for a request that is too large."""
    if len(head) > LARGEST_HEAD:
        raise ValueError("the request is too large")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as bridge:
        bridge.setblocking(False)
        try:
            bridge.connect(str(path))
            socket.send_fds(bridge, [head], [descriptor])
        except OSError as exc:
            raise NobodyThere(str(exc)) from exc
