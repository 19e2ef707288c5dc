"""Connections to real hosts: every way in, every way to be refused, and none that holds anybody longer than its deadline."""

from __future__ import annotations

import queue
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.lab import Host, Lab
from virt import connection, events
from virt.connection import Connection, Credentials
from virt.errors import HostKeyChanged, HostKeyUnknown, HostSilent, HostUnreachable, LoginRefused, VirtError
from virt.uri import Endpoint

DEADLINE = 3.0
NOTHING = Credentials()


def test_by_socket(lab: Lab) -> None:
    with _opened(_by_socket(lab["h1"])) as conn:
        assert conn.info().hostname == "h1"


def test_by_ssh_with_the_pinned_key(lab: Lab) -> None:
    host = lab["h1"]
    with _opened(_by_ssh(host), _ssh_credentials(host)) as conn:
        info = conn.info()
    assert info.hostname == "h1"
    assert info.hypervisor == "QEMU"
    assert info.cpus >= 1


def test_by_tls(lab: Lab) -> None:
    host = lab["h2"]
    pki = lab.directory / "pki" / "client"
    credentials = Credentials(
        ca_cert=(pki / "cacert.pem").read_text(), client_cert=(pki / "clientcert.pem").read_text(), client_key=(pki / "clientkey.pem").read_text()
    )
    with _opened(Endpoint(kind="tls", host=host.ssh_endpoint.host), credentials) as conn:
        assert conn.info().hostname == "h2"


def test_two_hosts_at_once_are_told_apart(lab: Lab) -> None:
    with _opened(_by_ssh(lab["h1"]), _ssh_credentials(lab["h1"])) as first, _opened(_by_ssh(lab["h2"]), _ssh_credentials(lab["h2"])) as second:
        assert first.info().host_uuid != second.info().host_uuid


def test_changed_host_key(lab: Lab) -> None:
    host = lab["h2"]
    credentials = _ssh_credentials(host)
    host.show_host_key("other")
    with pytest.raises(HostKeyChanged) as refusal:
        connection.open(_by_ssh(host), credentials)
    assert not refusal.value.retry


def test_without_a_pinned_key_nothing_is_sent(lab: Lab) -> None:
    host = lab["h1"]
    with pytest.raises(HostKeyUnknown):
        connection.open(_by_ssh(host), Credentials(private_key=host.ssh_endpoint.private_key.read_text()))


def test_key_that_is_not_authorized(lab: Lab, tmp_path: Path) -> None:
    host = lab["h1"]
    with pytest.raises(LoginRefused):
        connection.open(_by_ssh(host), Credentials(private_key=_new_key(tmp_path), host_key=host.ssh_endpoint.host_key))


def test_authorized_by_one_line(lab: Lab, tmp_path: Path) -> None:
    host = lab["h3"]
    private = _new_key(tmp_path)
    host.authorize((tmp_path / "key.pub").read_text())
    with _opened(_by_ssh(host), Credentials(private_key=private, host_key=host.ssh_endpoint.host_key)) as conn:
        assert conn.info().hostname == "h3"


@pytest.mark.parametrize("way", ["socket", "ssh"])
def test_frozen_libvirtd_is_given_up_in_time(lab: Lab, way: str) -> None:
    host = lab["h2"]
    credentials = _ssh_credentials(host)
    host.freeze()
    with _given_up_in_time(HostSilent):
        connection.open(_by_socket(host) if way == "socket" else _by_ssh(host), credentials, deadline=DEADLINE)


def test_host_that_accepts_and_says_nothing(lab: Lab) -> None:
    host = lab["h2"]
    credentials = _ssh_credentials(host)
    host.unplug()
    with _given_up_in_time(HostSilent):
        connection.open(_by_ssh(host), credentials, deadline=DEADLINE)


@pytest.mark.parametrize("way", ["socket", "ssh"])
def test_host_without_power(lab: Lab, way: str) -> None:
    host = lab["h3"]
    credentials = _ssh_credentials(host)
    host.power_cut()
    with _given_up_in_time(HostUnreachable, seconds=1.0):
        connection.open(_by_socket(host) if way == "socket" else _by_ssh(host), credentials, deadline=DEADLINE)


def test_killed_libvirtd_is_noticed_at_once(lab: Lab) -> None:
    host = lab["h1"]
    with _opened(_by_socket(host), keepalive=(2, 2)) as conn, _heard(conn) as heard:
        host.kill_libvirtd()
        assert _next_of_kind(heard, "connection-closed", seconds=2.0)
        assert not conn.is_alive()


def test_frozen_libvirtd_is_noticed_by_keepalive(lab: Lab) -> None:
    host = lab["h1"]
    with _opened(_by_ssh(host), _ssh_credentials(host), keepalive=(1, 2)) as conn, _heard(conn) as heard:
        host.freeze()
        closed = _next_of_kind(heard, "connection-closed", seconds=8.0)
    assert closed.detail == "keepalive"


@contextmanager
def _opened(endpoint: Endpoint, credentials: Credentials = NOTHING, *, keepalive: tuple[int, int] | None = None) -> Iterator[Connection]:
    conn = connection.open(endpoint, credentials, keepalive=keepalive)
    try:
        yield conn
    finally:
        conn.close()


@contextmanager
def _heard(conn: Connection) -> Iterator[queue.SimpleQueue[events.Event]]:
    heard: queue.SimpleQueue[events.Event] = queue.SimpleQueue()
    subscription = events.subscribe(conn, heard.put)
    try:
        yield heard
    finally:
        subscription.close()


def _next_of_kind(heard: queue.SimpleQueue[events.Event], kind: str, *, seconds: float) -> events.Event:
    end = time.monotonic() + seconds
    while True:
        event = heard.get(timeout=max(0.01, end - time.monotonic()))
        if event.kind == kind:
            return event


@contextmanager
def _given_up_in_time(error: type[VirtError], *, seconds: float = DEADLINE + 0.5) -> Iterator[None]:
    began = time.monotonic()
    with pytest.raises(error) as refusal:
        yield
    assert time.monotonic() - began < seconds
    assert refusal.value.retry


def _by_socket(host: Host) -> Endpoint:
    return Endpoint(kind="socket", path=str(host.socket))


def _by_ssh(host: Host) -> Endpoint:
    ssh = host.ssh_endpoint
    return Endpoint(kind="ssh", host=ssh.host, port=ssh.port, user=ssh.user)


def _ssh_credentials(host: Host) -> Credentials:
    return Credentials(private_key=host.ssh_endpoint.private_key.read_text(), host_key=host.ssh_endpoint.host_key)


def _new_key(directory: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "key"], check=True)
    return (directory / "key").read_text()
