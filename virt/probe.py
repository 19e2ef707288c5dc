"""The connection test: step by step to a hypervisor, and at the first step that breaks, which one it is and what mends it.

The way is looked at from outside (name, route, port, host key); from the login on, it is opened as the product opens
it (`virt.connection`), and the error says which of the steps it was. So what passes here works there.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import asyncssh

from virt import connection, sshlink
from virt.connection import Connection, Credentials
from virt.errors import HostKeyChanged, HostKeyUnknown, HostSilent, HostUnreachable, Invalid, LoginRefused, PermissionRefused, VirtError, from_os_error
from virt.host import HostInfo
from virt.ssh import split_host_key
from virt.uri import DEFAULT_PORTS, Endpoint

Seconds = float
T = TypeVar("T")

# The steps of each kind of endpoint, in the order in which they are taken.
ORDER: dict[str, tuple[str, ...]] = {
    "ssh": ("name", "route", "port", "host key", "login", "libvirt socket", "permission", "version"),
    "tls": ("name", "route", "port", "libvirt socket", "host key", "login", "permission", "version"),
    "tcp": ("name", "route", "port", "libvirt socket", "login", "permission", "version"),
    "local": ("libvirt socket", "permission", "version"),
    "session": ("libvirt socket", "permission", "version"),
    "socket": ("libvirt socket", "permission", "version"),
    "test": ("version",),
}
# Those to an SSH server that a host's displays alone are reached through.
FORWARDING = ("ssh name", "ssh route", "ssh port", "ssh host key", "ssh login")


@dataclass(frozen=True)
class HostKey:
    """A public SSH host key: the line of a known_hosts file without names, and its fingerprint as ssh-keygen shows it."""

    line: str
    fingerprint: str


@dataclass(frozen=True)
class Step:
    """What came of a step. `words` for a person; `fix` what they can do; `detail` another program's own words.

    `host_key`: the key that the host showed, on that step. `info`: what the host is, on the step "version".
    """

    name: str
    ok: bool
    words: str
    fix: str = ""
    detail: str = ""
    host_key: HostKey | None = field(default=None, compare=False)
    info: HostInfo | None = field(default=None, compare=False)


def test(endpoint: Endpoint, credentials: Credentials, *, deadline: Seconds = 5.0, patience: Seconds = 75.0) -> Iterator[Step]:
    """The steps one after the other, each when it is done; none after the first that fails.

    `deadline` for each; `patience` for the versions, which a fresh libvirtd learns by starting every QEMU there is.
    """
    yield from _to_the_first_failure(_steps(endpoint, credentials, deadline, patience))


def test_forwarding(endpoint: Endpoint, credentials: Credentials, *, deadline: Seconds = 5.0) -> Iterator[Step]:
    """The same for an SSH server that is to forward connections: the steps of FORWARDING."""
    for step in _to_the_first_failure(_ssh_steps(endpoint, credentials, deadline)):
        yield replace(step, name=f"ssh {step.name}")


def fetch_host_key(host: str, port: int, *, algorithm: str = "", deadline: Seconds = 5.0) -> HostKey:
    """The key that an SSH server shows, of this algorithm or else the best it has. Raises HostUnreachable and its kind."""
    wanted = _ALGORITHMS.get(algorithm, [name for names in _ALGORITHMS.values() for name in names])

    async def ask() -> asyncssh.SSHKey | None:
        # config=None: nothing of this machine's own ssh configuration, no proxy command
        return await asyncio.wait_for(asyncssh.get_server_host_key(host, port, server_host_key_algs=wanted, config=None), deadline)

    try:
        key = asyncio.run(ask())
    except TimeoutError as exc:
        raise HostSilent("The host accepted the connection, but its SSH service does not answer.", str(exc)) from exc
    except OSError as exc:
        raise from_os_error(exc) from exc
    except asyncssh.KeyExchangeFailed as exc:
        raise HostKeyChanged("The host has no SSH key of this kind.", str(exc)) from exc
    except asyncssh.Error as exc:
        raise HostUnreachable("The host's SSH service broke off before it showed its key.", str(exc)) from exc
    if key is None:
        raise HostUnreachable("The host's SSH service shows no key.")
    line = " ".join(key.export_public_key("openssh").decode("ascii").split()[:2])
    return HostKey(line, _fingerprint(line))


# ── the steps ──


def _steps(endpoint: Endpoint, credentials: Credentials, deadline: Seconds, patience: Seconds) -> Iterator[Step]:
    if endpoint.kind in DEFAULT_PORTS:
        yield _name(endpoint.host, deadline)
        yield from _route_and_port(endpoint, deadline)
    if endpoint.kind == "ssh":
        yield _host_key(endpoint, credentials.host_key, deadline)
    yield from _inside(endpoint, credentials, deadline, patience)


def _ssh_steps(endpoint: Endpoint, credentials: Credentials, deadline: Seconds) -> Iterator[Step]:
    yield _name(endpoint.host, deadline)
    yield from _route_and_port(endpoint, deadline)
    yield _host_key(endpoint, credentials.host_key, deadline)
    yield _sign_in(endpoint, credentials, deadline)


def _to_the_first_failure(steps: Iterator[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        if not step.ok:
            return


def _name(host: str, deadline: Seconds) -> Step:
    try:
        found = _within(deadline, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except TimeoutError as exc:
        return Step("name", False, "The name server does not answer.", _FIXES["name"], str(exc))
    except OSError as exc:
        return Step("name", False, f"{host} can't be resolved.", _FIXES["name"], str(exc))
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if addresses == [host]:
        return Step("name", True, f"{host} is an address")
    more = f" and {len(addresses) - 2} more" if len(addresses) > 2 else ""
    return Step("name", True, f"{host} is {', '.join(addresses[:2])}{more}")


def _route_and_port(endpoint: Endpoint, deadline: Seconds) -> Iterator[Step]:
    """One attempt answers both: who refuses is there."""
    port = endpoint.port or DEFAULT_PORTS[endpoint.kind]
    began = time.monotonic()
    try:
        link = _within(deadline, lambda: socket.create_connection((endpoint.host, port), timeout=deadline))
    except ConnectionRefusedError as exc:
        yield Step("route", True, "the host is there")
        yield Step("port", False, f"It refuses connections to port {port}.", _FIXES[f"port {endpoint.kind}"], str(exc))
        return
    except OSError as exc:
        words = "Nothing comes back from the host." if isinstance(exc, TimeoutError) or exc.errno == errno.ETIMEDOUT else str(from_os_error(exc))
        yield Step("route", False, words, _FIXES["route"], str(exc))
        return
    with link:
        yield Step("route", True, f"the host answers within {1000 * (time.monotonic() - began):.0f} ms")
        yield _ssh_greeting(link, port, deadline) if endpoint.kind == "ssh" else Step("port", True, f"port {port} is open")


def _ssh_greeting(link: socket.socket, port: int, deadline: Seconds) -> Step:
    """An SSH server speaks first (RFC 4253, 4.2)."""
    try:
        link.settimeout(deadline)
        said = link.recv(255)
    except OSError as exc:
        return Step("port", False, f"Port {port} is open, but nobody speaks there.", _FIXES["port ssh"], str(exc))
    if not said.startswith(b"SSH-"):
        return Step("port", False, f"What answers on port {port} is not SSH.", _FIXES["port ssh"], repr(said[:80]))
    version = said.split(b"\r")[0].split(b"\n")[0].decode("ascii", "replace").removeprefix("SSH-2.0-")
    return Step("port", True, f"port {port}, {version}")


def _host_key(endpoint: Endpoint, pinned: str, deadline: Seconds) -> Step:
    port = endpoint.port or DEFAULT_PORTS["ssh"]
    try:
        algorithm = split_host_key(pinned)[0] if pinned else ""
        shown = _shown_key(endpoint.host, port, algorithm, deadline)
    except VirtError as exc:
        return Step("host key", False, str(exc), _FIXES["port ssh"], exc.detail)
    if not pinned:
        return Step("host key", False, f"It shows {shown.fingerprint}, which nobody has confirmed yet.", _FIXES["host key unknown"], host_key=shown)
    if shown.line.split()[1] != pinned.split()[1]:
        words = f"It shows {shown.fingerprint}, another key than the confirmed {_fingerprint(pinned)}."
        return Step("host key", False, words, _FIXES["host key changed"], host_key=shown)
    return Step("host key", True, f"{shown.fingerprint}, the confirmed one", host_key=shown)


def _sign_in(endpoint: Endpoint, credentials: Credentials, deadline: Seconds) -> Step:
    async def sign_in() -> None:
        (await sshlink.connect(endpoint, credentials, deadline=deadline)).close()

    try:
        asyncio.run(sign_in())
    except VirtError as exc:
        return Step("login", False, str(exc), _fix("login", endpoint), exc.detail)
    return Step("login", True, _well("login", endpoint))


def _shown_key(host: str, port: int, algorithm: str, deadline: Seconds) -> HostKey:
    """Of the pinned key's algorithm; one that the host no longer has is a change as well."""
    try:
        return fetch_host_key(host, port, algorithm=algorithm, deadline=deadline)
    except HostKeyChanged:
        return fetch_host_key(host, port, deadline=deadline)


def _inside(endpoint: Endpoint, credentials: Credentials, deadline: Seconds, patience: Seconds) -> Iterator[Step]:
    """Open it; the error says how far it came."""
    try:
        opened = connection.open(endpoint, credentials, deadline=deadline)
    except VirtError as exc:
        yield from _up_to(endpoint, exc)
        return
    try:
        for name in _inner_steps(endpoint):
            if name != "version":
                yield Step(name, True, _well(name, endpoint))
        yield _version(opened, patience)
    finally:
        opened.close()


def _up_to(endpoint: Endpoint, exc: VirtError) -> Iterator[Step]:
    names = _inner_steps(endpoint)
    broken = _step_of(exc)
    if broken not in names:
        broken = names[0]
    for name in names[: names.index(broken)]:
        yield Step(name, True, _well(name, endpoint))
    yield Step(broken, False, str(exc), _fix(broken, endpoint), exc.detail)


def _inner_steps(endpoint: Endpoint) -> tuple[str, ...]:
    """Those that opening a connection takes."""
    outside = {"ssh": 4, "tls": 3, "tcp": 3}.get(endpoint.kind, 0)
    return ORDER[endpoint.kind][outside:]


def _step_of(exc: VirtError) -> str:
    if _OWN_CERTIFICATE in exc.detail:  # libvirt looks at ours before it shows it to anybody
        return "login"
    if isinstance(exc, HostKeyChanged | HostKeyUnknown | Invalid):
        return "host key"
    if isinstance(exc, LoginRefused):
        return "login"
    if isinstance(exc, PermissionRefused):
        return "permission"
    return "libvirt socket"


def _version(opened: Connection, patience: Seconds) -> Step:
    try:
        info = _within(patience, opened.info)
    except TimeoutError:
        return Step("version", False, "libvirt answers, but does not say what it is.", _FIXES["version"])
    except VirtError as exc:
        return Step("version", False, str(exc), _FIXES["version"], exc.detail)
    if info.hypervisor == "QEMU" and not info.hypervisor_version:
        return Step("version", False, f"libvirt {info.libvirt_version} runs there, but QEMU is not installed.", _FIXES["no qemu"], info=info)
    speed = "" if info.hypervisor != "QEMU" else ", KVM" if info.kvm else ", emulation only (slow): /dev/kvm is missing or closed"
    return Step("version", True, f"libvirt {info.libvirt_version}, {info.hypervisor} {info.hypervisor_version}{speed}", info=info)


# ── words ──

_FIXES = {
    "name": "Check the spelling, and the name server of the machine that WebVirt runs on. An IP address works as well.",
    "route": "Is the host on, and is a firewall in between? Nothing comes back to the machine that WebVirt runs on.",
    "port ssh": "Start the SSH service there (systemctl enable --now ssh or sshd), or give the port that it listens on.",
    "port tls": "Switch TLS on there: systemctl enable --now libvirtd-tls.socket (or virtproxyd-tls.socket), and open the port in its firewall.",
    "port tcp": "Switch TCP on there: systemctl enable --now libvirtd-tcp.socket (or virtproxyd-tcp.socket), and open the port in its firewall.",
    "host key unknown": "Compare the fingerprint with the one that the host itself shows, and confirm it.",
    "host key changed": "Find out why before you confirm it: was the host installed anew?",
    "host key": "Is this the authority that signed the host's certificate, and is the certificate made for this very address?",
    "version": "Restart libvirt there, and look into its log.",
    "no qemu": "Install QEMU there: apt install qemu-system-x86, or dnf install qemu-kvm.",
}
_OWN_CERTIFICATE = "clientcert.pem"  # as virt.tls calls it
_INSTALL = (
    "Install and start libvirt there: apt install libvirt-daemon-system, or dnf install libvirt-daemon-kvm; "
    "then systemctl enable --now libvirtd (or virtqemud.socket)."
)


def _fix(broken: str, endpoint: Endpoint) -> str:
    user = endpoint.user or "root"
    if broken == "login":
        return {
            "ssh": f"Add the public key that WebVirt signs in with to ~/.ssh/authorized_keys of {user} there.",
            "tls": "Does the host trust the authority that signed the client certificate?",
        }.get(endpoint.kind, "Check user and password: saslpasswd2 -a libvirt USER sets them there.")
    if broken == "permission":
        who = user if endpoint.kind == "ssh" else "the user that WebVirt runs as"
        return f"Add {who} to the group libvirt there (usermod -aG libvirt {user if endpoint.kind == 'ssh' else 'USER'}), then test again."
    if broken == "libvirt socket":
        return _INSTALL
    return _FIXES[broken]


def _well(name: str, endpoint: Endpoint) -> str:
    return {
        "host key": "the certificate is trusted",
        "login": f"{endpoint.user or 'root'} signs in" if endpoint.kind == "ssh" else "accepted",
        "libvirt socket": "answers",
        "permission": "may manage it",
    }[name]


# ── helpers ──

# What to ask an SSH server for, by the algorithm of the key: RSA keys sign with SHA-2 only.
_ALGORITHMS = {
    "ssh-ed25519": ["ssh-ed25519"],
    "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
    "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
    "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
    "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
}


def _fingerprint(line: str) -> str:
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


class _Answer(Generic[T]):
    value: T
    error: BaseException | None = None


def _within(deadline: Seconds, ask: Callable[[], T]) -> T:
    """What `ask` answers; TimeoutError when it takes longer, its thread is left behind then."""
    answer: _Answer[T] = _Answer()

    def run() -> None:
        try:
            answer.value = ask()
        except BaseException as exc:  # handed to the caller, who raises it
            answer.error = exc

    thread = threading.Thread(target=run, name="probe", daemon=True)
    thread.start()
    thread.join(deadline)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {deadline:g} s")
    if answer.error:
        raise answer.error
    return answer.value
