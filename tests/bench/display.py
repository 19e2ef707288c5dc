"""A display to measure the bridge with: VNC's greeting, then it echoes, or sends as much as it is asked for.

``python -m tests.bench.display`` prints its port. And, for the stack under test, ``python -m tests.bench.display up …`` is ``manage.py up …`` whose
machines on libvirt's test driver, which has no displays, have this one (``BENCH_DISPLAY``, a port of loopback).
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from typing import Any

ECHO, STREAM, STREAM_OF_10_GBIT = b"E", b"S", b"T"
_SO_MAX_PACING_RATE = 47  # socket(7); the kernel's TCP keeps to it by itself
_BLOCK = bytes(256 * 1024)


def serve() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.stack_size(256 * 1024)
        while True:
            link, _ = listener.accept()
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_one, args=(link,), daemon=True).start()


def _one(link: socket.socket) -> None:
    try:
        link.sendall(b"RFB 003.008\n")
        link.recv(12, socket.MSG_WAITALL)
        link.sendall(b"\x01\x01")
        link.recv(1)
        link.sendall(b"\0\0\0\0")
        link.recv(1)
        link.sendall(struct.pack(">HH16xI", 64, 48, 5) + b"bench")
        while command := link.recv(9, socket.MSG_WAITALL):
            if command[:1] == ECHO:
                link.sendall(command)
            else:
                rate = 1_250_000_000 if command[:1] == STREAM_OF_10_GBIT else 2**64 - 1
                link.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, struct.pack("=Q", rate))
                for _ in range(struct.unpack(">Q", command[1:])[0] // len(_BLOCK)):
                    link.sendall(_BLOCK)
    except OSError:
        pass
    finally:
        link.close()


def _with_displays() -> None:
    """The product, where a machine of the test driver shows ours."""
    sys.argv[0] = "manage.py"
    from webvirt import launch

    launch.adopt(sys.argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webvirt.settings")
    from django.core.management import execute_from_command_line

    from consoles import handover

    real = handover.door

    def door_with_display(data_dir: Any) -> Any:
        """Called by the bridge's command when its modules may be loaded; by the web process it changes nothing."""
        _replace_reach()
        return real(data_dir)

    handover.door = door_with_display
    execute_from_command_line(sys.argv)


def _replace_reach() -> None:
    from consoles.bridge import reach

    if getattr(reach, "is_replaced", False):
        return
    real = reach.reach

    def reached(machine: Any, kind: str) -> Any:
        if machine.host.driver != "test":
            return real(machine, kind)
        link = socket.create_connection(("127.0.0.1", int(os.environ["BENCH_DISPLAY"])))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return reach.Reached(link, 1)

    reach.reach, reach.is_replaced = reached, True  # type: ignore[attr-defined]


if __name__ == "__main__":
    _with_displays() if len(sys.argv) > 1 else serve()
