"""Addresses: made of checked fields, read back as they were, and closed to everything that could run a program or switch a check off."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virt.errors import Invalid
from virt.uri import Endpoint, compose, parse


@pytest.mark.parametrize(
    ("endpoint", "uri"),
    [
        (Endpoint("local"), "qemu:///system"),
        (Endpoint("session"), "qemu:///session"),
        (Endpoint("ssh", host="h1"), "qemu+ssh://h1/system"),
        (Endpoint("ssh", host="h1", port=2222, user="root", session=True), "qemu+ssh://root@h1:2222/session"),
        (Endpoint("ssh", host="fe80::1", user="a@b"), "qemu+ssh://a%40b@[fe80::1]/system"),
        (Endpoint("tls", host="h1.example.org"), "qemu+tls://h1.example.org/system"),
        (Endpoint("tcp", host="10.0.0.1", port=1), "qemu+tcp://10.0.0.1:1/system"),
        (Endpoint("socket", path="/run/my libvirt/sock"), "qemu+unix:///system?socket=%2Frun%2Fmy%20libvirt%2Fsock"),
        (Endpoint("socket", path="/a&no_verify=1", driver="test"), "test+unix:///default?socket=%2Fa%26no_verify%3D1"),
        (Endpoint("test"), "test:///default"),
        (Endpoint("test", path="/srv/lab.xml"), "test:///srv/lab.xml"),
    ],
)
def test_composed_and_read_back(endpoint: Endpoint, uri: str) -> None:
    assert compose(endpoint) == uri
    again = parse(uri)
    assert compose(again) == uri
    assert again == endpoint or endpoint == Endpoint("test")


def test_paths_of_our_own() -> None:
    uri = compose(Endpoint("ssh", host="h1"), command="/x y/ssh-pinned", key_file="/run/k&x")
    assert uri == "qemu+ssh://h1/system?command=%2Fx%20y%2Fssh-pinned&keyfile=%2Frun%2Fk%26x&no_tty=1"


@pytest.mark.parametrize("uri", ["qemu://h1/system", "qemu+unix:///system", "qemu+unix:///session", "QEMU+SSH://h1/system"])
def test_other_ways_to_write_it(uri: str) -> None:
    assert parse(uri).kind == {"qemu://h1/system": "tls", "qemu+unix:///system": "local", "qemu+unix:///session": "session"}.get(uri, "ssh")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "h1",
        "/system",
        "qemu",
        "http://h1/system",
        "xen:///system",
        "qemu+ext:///system?command=/bin/sh",
        "qemu+libssh2://h1/system",
        "qemu+ssh:///system",
        "qemu+ssh://h1/",
        "qemu+ssh://h1/etc",
        "qemu+ssh://root:secret@h1/system",
        "qemu+ssh://h1/system#x",
        "qemu+ssh://h1:0/system",
        "qemu+ssh://h1:99999/system",
        "qemu+ssh://h1:port/system",
        "qemu+ssh://h1/system?command=/bin/evil",
        "qemu+ssh://h1/system?netcat=/bin/evil",
        "qemu+ssh://h1/system?no_verify=1",
        "qemu+ssh://h1/system?keyfile=/etc/shadow",
        "qemu+ssh://h1/system?proxy=native",
        "qemu+ssh://h1/system?known_hosts=/dev/null",
        "qemu+tls://h1/system?pkipath=/tmp",
        "qemu+tls://h1/system?tls_priority=NONE",
        "qemu+ssh://h1/system?name=qemu:///system",
        "qemu+ssh://h1/system?mode=legacy",
        "qemu+unix:///system?socket=/a&socket=/b",
        "qemu+unix:///system?socket",
        "qemu+unix:///system?socket=relative",
        "qemu+unix:///system?socket=/a/../b",
        "qemu+unix://h1/system?socket=/a",
        "qemu+tls://h1/system?socket=/a",
        "test:///default?socket=/a&x=1",
        "test+ssh://h1/other",
        "qemu+ssh://-oProxyCommand=evil/system",
        "qemu+ssh://-oProxyCommand%3Devil@h1/system",
        "qemu+ssh://h1%20-oProxyCommand/system",
        "qemu+ssh://h1\n/system",
        "qemu+ssh://h 1/system",
        "qemu+ssh://hö/system",
        "qemu+ssh://[::1/system",
        "qemu+ssh://h1/system?socket=/run/$(id)",
        "x" * 3000,
    ],
)
def test_refused(uri: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(uri)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "ssh", "host": "-oProxyCommand=evil"},
        {"kind": "ssh", "host": "h1 -v"},
        {"kind": "ssh", "host": "h1/x"},
        {"kind": "ssh", "host": "a" * 254},
        {"kind": "ssh", "host": "a..b"},
        {"kind": "ssh", "host": "fe80::1%eth0"},
        {"kind": "ssh", "host": "h1", "user": "-lroot"},
        {"kind": "ssh", "host": "h1", "user": "a b"},
        {"kind": "ssh", "host": "h1", "user": "$(id)"},
        {"kind": "ssh", "host": "h1", "user": "a\n"},
        {"kind": "ssh", "host": "h1", "port": -1},
        {"kind": "ssh", "host": "h1", "path": "/run/a b"},
        {"kind": "ssh", "host": "h1", "path": "/run/';id;'"},
        {"kind": "ssh"},
        {"kind": "socket"},
        {"kind": "socket", "path": "/a\x00b"},
        {"kind": "socket", "path": "//a"},
        {"kind": "local", "host": "h1"},
        {"kind": "local", "driver": "test"},
        {"kind": "tcp", "host": "h1", "user": "root"},
        {"kind": "socket", "path": "/a", "driver": "test", "session": True},
        {"kind": "xen"},
        {"kind": "ssh", "host": "h1", "driver": "lxc"},
    ],
)
def test_fields_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refusal:
        Endpoint(**fields)
    assert str(refusal.value).isprintable()


_HOSTS = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z][a-z0-9]{0,5}){0,3}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
_PATHS = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=30).map(lambda text: "/" + text)


@given(st.sampled_from(["ssh", "tls", "tcp"]), _HOSTS, st.none() | st.integers(1, 65535), st.booleans())
def test_any_remote_host_survives_the_trip(kind: Any, host: str, port: int | None, session: bool) -> None:
    endpoint = Endpoint(kind, host=host, port=port, session=session)
    assert parse(compose(endpoint)) == endpoint


@given(_PATHS, st.sampled_from(["qemu", "test"]))
def test_any_socket_survives_the_trip(path: str, driver: Any) -> None:
    try:
        endpoint = Endpoint("socket", path=path, driver=driver)
    except Invalid:
        return
    assert parse(compose(endpoint)) == endpoint


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_typed_is_taken_or_refused_in_words(host: str, user: str, path: str) -> None:
    """And what is taken is one argument of one option: it neither begins with a dash nor holds a blank."""
    try:
        endpoint = Endpoint("ssh", host=host, user=user, path=path)
    except Invalid:
        return
    for word in (endpoint.host, endpoint.user, endpoint.path):
        assert not word.startswith("-")
        assert not set(word) & set(" \t\n'\"$`;&|<>()\\\0")
