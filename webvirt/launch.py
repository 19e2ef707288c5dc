"""What the command line of `manage.py up` decides before the settings are read.

The settings come from the environment alone, and Django reads them before any command sees its arguments; so `manage.py` shows the arguments here
first. Nothing here imports Django.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import socket
import subprocess
from collections.abc import Sequence

DEFAULT_BIND = "127.0.0.1"
DEFAULT_PORT = 8000


def adopt(argv: Sequence[str]) -> None:
    """Turns the arguments of `manage.py up` into the variables that the settings read; every other command is left alone."""
    if len(argv) < 2 or argv[1] != "up":
        return
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    options, _ = parser.parse_known_args(argv[2:])
    if options.data:
        os.environ["WEBVIRT_DATA"] = options.data
    if not (os.environ.get("ALLOWED_HOSTS") or os.environ.get("ALLOWED_HOSTS_FILE")):
        os.environ["ALLOWED_HOSTS"] = ",".join(names_for(options.bind))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bind", default=DEFAULT_BIND, metavar="ADDRESS", help="address to listen on (default: %(default)s, this machine only)")
    parser.add_argument("--port", default=DEFAULT_PORT, type=int, help="port to listen on (default: %(default)s)")
    parser.add_argument("--data", default="", metavar="DIR", help="data directory (default: $WEBVIRT_DATA, else webvirt in the XDG data directory)")


def names_for(bind: str) -> list[str]:
    """The names under which a browser may ask for us: a request with any other Host header is refused.

    For an address that means "all of them" these are this machine's names and addresses. A name that only a DNS server knows must be given in ALLOWED_HOSTS.
    """
    names = ["localhost", "127.0.0.1", "[::1]"]
    if _is_every_address(bind):
        names += [socket.gethostname(), socket.getfqdn(), *_own_addresses()]
    else:
        names.append(f"[{bind}]" if ":" in bind else bind)
    return list(dict.fromkeys(names))


def is_loopback(bind: str) -> bool:
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


def listen(bind: str, port: int) -> socket.socket:
    """The listening socket, made before anything else starts.

    So a taken port is said at once, and while the web process restarts, browsers wait instead of failing.

    Raises:
        OSError: the name is unknown, the address is not ours, the port is taken or privileged.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def reachable(listener: socket.socket) -> tuple[str, int]:
    """Host and port at which this machine itself reaches the socket."""
    host, port = listener.getsockname()[:2]
    if _is_every_address(host):
        host = "127.0.0.1" if listener.family == socket.AF_INET else "::1"
    return host, port


def address_of(listener: socket.socket) -> str:
    """The address for a browser on this machine, such as `http://127.0.0.1:8000`."""
    host, port = reachable(listener)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_every_address(bind: str) -> bool:
    return bind in ("", "0.0.0.0", "::")


def _own_addresses() -> list[str]:
    """Addresses of the network cards, from iproute2; none where it is missing."""
    try:
        answer = subprocess.run(["ip", "-json", "address"], capture_output=True, timeout=5, check=True).stdout
        found = [entry["local"] for link in json.loads(answer) for entry in link.get("addr_info", [])]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return []
    return [f"[{address}]" if ":" in address else address for address in found]
