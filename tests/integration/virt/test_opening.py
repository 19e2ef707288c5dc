"""Opening ends in time, whoever is there: nobody, somebody who refuses, and above all somebody who accepts and never answers."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_until
from virt import connection
from virt.connection import Credentials
from virt.errors import HostKeyUnknown, HostSilent, HostUnreachable, Invalid, LoginRefused, Unsupported, VirtError
from virt.uri import Endpoint

DEADLINE = 1.5
SLACK = 0.4

_BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))
_ED25519 = "ssh-ed25519 " + base64.b64encode(_BLOB).decode()
_SSH = Credentials(private_key="PRIVATE", host_key=_ED25519)
_TLS = Credentials(ca_cert="-----BEGIN CERTIFICATE-----")


class Listener:
    """Accepts, reads, and says what it is told to say: to the first connection `said[0]`, to the second `said[1]` …, then nothing."""

    def __init__(self, family: int, address: object, *said: bytes | None) -> None:
        self._server = socket.socket(family)
        self._server.bind(address)  # type: ignore[arg-type]  # a path or a pair
        self._server.listen(8)
        self._said = list(said)
        self.links: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def close(self) -> None:
        self._server.close()
        for link in self.links:
            link.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._server.accept()
                self.links.append(link)
                word = self._said.pop(0) if self._said else None
                if word == b"":
                    link.close()
                elif word is not None:
                    link.recv(4096)
                    link.sendall(word)


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Callable[..., tuple[Listener, Endpoint]]]:
    """``listen(kind, *said)``: a listener and the endpoint that leads to it."""
    listeners: list[Listener] = []

    def start(kind: str, *said: bytes | None) -> tuple[Listener, Endpoint]:
        if kind == "socket":
            path = str(tmp_path / f"sock{len(listeners)}")
            listeners.append(Listener(socket.AF_UNIX, path, *said))
            return listeners[-1], Endpoint("socket", path=path)
        listeners.append(Listener(socket.AF_INET, ("127.0.0.1", 0), *said))
        return listeners[-1], Endpoint(kind, host="127.0.0.1", port=listeners[-1].port)  # type: ignore[arg-type]

    yield start
    for each in listeners:
        each.close()


@pytest.fixture(autouse=True)
def own_files(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the private files of an opening lie; nothing may stay there."""
    directory = tmp_path_factory.mktemp("run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
    yield directory
    wait_until("no private file is left", lambda: not list(directory.iterdir()), seconds=3)


@pytest.mark.parametrize("kind", ["tcp", "tls", "ssh", "socket"])
def test_mute(kind: str, listen: Callable[..., tuple[Listener, Endpoint]]) -> None:
    _, endpoint = listen(kind)
    threads = threading.active_count()
    began = time.monotonic()
    with pytest.raises(HostSilent) as raised:
        connection.open(endpoint, _credentials(kind), deadline=DEADLINE)
    assert time.monotonic() - began < DEADLINE + SLACK
    assert raised.value.retry
    wait_until("its thread has ended", lambda: threading.active_count() <= threads, seconds=3)
    wait_until("its ssh has ended", lambda: not _children("ssh"), seconds=3)


def test_mute_hosts_do_not_wait_for_one_another(listen: Callable[..., tuple[Listener, Endpoint]]) -> None:
    endpoints = [listen(kind)[1] for kind in ("tcp", "ssh", "socket", "tcp", "ssh", "socket")]
    began = time.monotonic()
    attempts = [threading.Thread(target=_fails, args=(each,)) for each in endpoints]
    for attempt in attempts:
        attempt.start()
    for attempt in attempts:
        attempt.join()
    assert time.monotonic() - began < DEADLINE + 1


def test_nobody_accepts_any_more(tmp_path: Path) -> None:
    """A stopped daemon whose queue of connections is full."""
    path = str(tmp_path / "full")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                each.connect(path)
        began = time.monotonic()
        with pytest.raises(HostUnreachable):
            connection.open(Endpoint("socket", path=path), deadline=DEADLINE)
        assert time.monotonic() - began < DEADLINE + SLACK
        for each in waiting:
            each.close()


_GREETING = struct.pack(">9I", 36, 0x20008086, 1, 66, 1, 1, 0, 1, 0)  # "sign in: not at all"


@pytest.mark.parametrize("kind", ["tcp", "socket"])
def test_mute_after_the_greeting(kind: str, listen: Callable[..., tuple[Listener, Endpoint]]) -> None:
    """Then libvirt itself waits, in a thread that is left behind, and goes when the host does."""
    listener, endpoint = listen(kind, _GREETING)
    began = time.monotonic()
    with pytest.raises(HostSilent):
        connection.open(endpoint, deadline=DEADLINE)
    assert time.monotonic() - began < DEADLINE + SLACK
    assert connection._Opening._stuck[endpoint] == 1
    listener.close()
    wait_until("the thread is free", lambda: connection._Opening._stuck[endpoint] == 0, seconds=3)


def test_not_more_threads_than_a_few_wait_for_one_host(listen: Callable[..., tuple[Listener, Endpoint]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection._Opening, "_stuck_allowed", 2)
    listener, endpoint = listen("socket", _GREETING, None, _GREETING, None, _GREETING)
    for _ in range(2):
        with pytest.raises(HostSilent):
            connection.open(endpoint, deadline=0.5)
    began = time.monotonic()
    with pytest.raises(HostSilent, match="earlier attempts"):
        connection.open(endpoint, deadline=0.5)
    assert time.monotonic() - began < 0.2
    listener.close()
    wait_until("the threads are free", lambda: connection._Opening._stuck[endpoint] == 0, seconds=3)


@pytest.mark.parametrize("kind", ["tcp", "tls", "ssh", "socket"])
def test_hangs_up_at_once(kind: str, listen: Callable[..., tuple[Listener, Endpoint]]) -> None:
    _, endpoint = listen(kind, b"", b"", b"")
    with pytest.raises((HostUnreachable, Unsupported, Invalid)) as raised:
        connection.open(endpoint, _credentials(kind), deadline=DEADLINE)
    assert not isinstance(raised.value, HostSilent)


@pytest.mark.parametrize("kind", ["tcp", "socket"])
def test_something_that_is_not_libvirt(kind: str, listen: Callable[..., tuple[Listener, Endpoint]]) -> None:
    _, endpoint = listen(kind, *[b"HTTP/1.1 400 Bad Request\r\nServer: something else entirely\r\n\r\n"] * 2)
    with pytest.raises(Unsupported, match="not libvirt"):
        connection.open(endpoint, deadline=DEADLINE)


@pytest.mark.parametrize("kind", ["tcp", "tls", "ssh"])
def test_nothing_listens(kind: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = Endpoint(kind, host="127.0.0.1", port=taken.getsockname()[1])  # type: ignore[arg-type]
        with pytest.raises(HostUnreachable, match="refuses"):
            connection.open(endpoint, _credentials(kind), deadline=DEADLINE)


@pytest.mark.parametrize("kind", ["tcp", "ssh"])
def test_name_that_is_not_known(kind: str) -> None:
    with pytest.raises(HostUnreachable, match=r"name can't be resolved|did not answer"):
        connection.open(Endpoint(kind, host="nobody.invalid"), _credentials(kind), deadline=4.0)  # type: ignore[arg-type]


def test_socket_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostUnreachable, match="not there"):
        connection.open(Endpoint("socket", path=str(tmp_path / "nothing")))


@pytest.mark.parametrize(
    ("endpoint", "credentials", "kind"),
    [
        (Endpoint("ssh", host="127.0.0.1", port=1), Credentials(private_key="PRIVATE"), HostKeyUnknown),
        (Endpoint("ssh", host="127.0.0.1", port=1), Credentials(host_key=_ED25519), LoginRefused),
        (Endpoint("ssh", host="127.0.0.1", port=1), Credentials(private_key="PRIVATE", host_key="* nonsense"), Invalid),
        (Endpoint("tls", host="127.0.0.1", port=1), Credentials(), Invalid),
        (Endpoint("tls", host="127.0.0.1", port=1), Credentials(ca_cert="x", client_cert="y"), Invalid),
    ],
)
def test_missing_credentials_are_said_before_anything_is_sent(endpoint: Endpoint, credentials: Credentials, kind: type[VirtError]) -> None:
    with pytest.raises(kind):
        connection.open(endpoint, credentials)


def test_credentials_do_not_show_in_text() -> None:
    secret = Credentials(*["s3cret"] * 7)
    assert "s3cret" not in repr(secret)
    assert "s3cret" not in f"{secret}"


def test_slow_answer_is_an_answer(listen: Callable[..., tuple[Listener, Endpoint]]) -> None:
    """A daemon that is only slow to speak is not given up before its time."""
    listener, endpoint = listen("socket")
    failed: list[BaseException] = []
    began = time.monotonic()
    attempt = threading.Thread(target=lambda: failed.append(_failure(endpoint)))
    attempt.start()
    wait_until("it asks", lambda: bool(listener.links))
    time.sleep(0.7)
    listener.links[0].sendall(_GREETING)
    wait_until("libvirt itself asks then", lambda: len(listener.links) == 2)
    assert time.monotonic() - began < DEADLINE
    listener.close()
    attempt.join()
    assert not isinstance(failed[0], HostSilent)


def _failure(endpoint: Endpoint) -> BaseException:
    with pytest.raises(VirtError) as raised:
        connection.open(endpoint, _credentials(endpoint.kind), deadline=DEADLINE)
    return raised.value


def _fails(endpoint: Endpoint) -> None:
    _failure(endpoint)


def _credentials(kind: str) -> Credentials:
    return {"ssh": _SSH, "tls": _TLS}.get(kind, Credentials())


def _children(name: str) -> list[int]:
    """Processes of this name that are children of ours."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            text = status.read_text()
            if f"Name:\t{name}\n" in text and f"PPid:\t{os.getpid()}\n" in text:
                found.append(int(status.parent.name))
    return found
