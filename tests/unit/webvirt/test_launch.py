from __future__ import annotations

import os
import socket

import pytest

from webvirt import launch


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEBVIRT_DATA", "ALLOWED_HOSTS", "ALLOWED_HOSTS_FILE"):
        monkeypatch.setenv(name, "to be undone")
        monkeypatch.delenv(name)


def test_up_takes_the_data_directory_before_the_settings_do() -> None:
    launch.adopt(["manage.py", "up", "--port", "9000", "--data", "/srv/webvirt"])
    assert os.environ["WEBVIRT_DATA"] == "/srv/webvirt"


def test_other_commands_are_left_alone() -> None:
    launch.adopt(["manage.py", "hosts", "list", "--data", "/srv/webvirt"])
    launch.adopt(["manage.py"])
    assert "WEBVIRT_DATA" not in os.environ
    assert "ALLOWED_HOSTS" not in os.environ


def test_names_that_were_chosen_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "portal.example")
    launch.adopt(["manage.py", "up", "--bind", "192.0.2.7"])
    assert os.environ["ALLOWED_HOSTS"] == "portal.example"


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1", "[::1]"]),
        ("192.0.2.7", ["localhost", "127.0.0.1", "[::1]", "192.0.2.7"]),
        ("2001:db8::7", ["localhost", "127.0.0.1", "[::1]", "[2001:db8::7]"]),
    ],
)
def test_names_for_one_address(bind: str, expected: list[str]) -> None:
    assert launch.names_for(bind) == expected


def test_names_for_every_address_hold_this_machine_but_not_any() -> None:
    names = launch.names_for("0.0.0.0")
    assert socket.gethostname() in names
    assert not {"*", "0.0.0.0", ""} & set(names)


@pytest.mark.parametrize(("bind", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("portal.example", False)])
def test_loopback(bind: str, loopback: bool) -> None:
    assert launch.is_loopback(bind) is loopback


def test_a_taken_port_is_refused_at_once() -> None:
    with launch.listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        launch.listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(("bind", "address"), [("127.0.0.1", "http://127.0.0.1:{}"), ("0.0.0.0", "http://127.0.0.1:{}"), ("::1", "http://[::1]:{}")])
def test_address_for_a_browser_here(bind: str, address: str) -> None:
    with launch.listen(bind, 0) as listener:
        assert launch.address_of(listener) == address.format(listener.getsockname()[1])
