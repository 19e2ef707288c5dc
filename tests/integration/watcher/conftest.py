"""A watcher in this process, or one as a process of its own, on the test database and on daemons of libvirt's test driver."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from hosts.models import Host, State
from live import publisher
from tests.lab.fleet import Fleet, FleetHost
from tests.waiting import wait_until
from watcher.supervisor import Supervisor

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _database(transactional_db: None) -> None:
    """Committed for real: the watcher's threads have connections of their own. Redis does not run: it must not matter."""


@pytest.fixture(scope="module")
def daemons(fleet: Callable[[int], Fleet]) -> Fleet:
    return fleet(2)


@pytest.fixture
def daemon(daemons: Fleet) -> FleetHost:
    """A daemon with two machines, the first of them running."""
    daemons[0].populate(2, running=1)
    return daemons[0]


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What open pages would be told."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(publisher, "send", lambda group, message: sent.append(message))
    return sent


class Watching:
    """A supervisor in a thread."""

    def __init__(self, name: str) -> None:
        self.supervisor = Supervisor(name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.supervisor.run, args=(self._stop,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive(), "it did not end"


@pytest.fixture
def watch(facts: list[dict[str, Any]]) -> Iterator[Callable[..., Watching]]:
    """``watch()`` begins to follow all hosts in the database."""
    begun: list[Watching] = []

    def begin(name: str = "in-process") -> Watching:
        begun.append(Watching(name))
        return begun[-1]

    yield begin
    for each in begun:
        each.stop()


@pytest.fixture
def watcher_process() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """``watcher_process()`` starts ``manage.py watcher`` on the test database."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "webvirt.settings",
            "WEBVIRT_DATA": str(settings.DATA_DIR),
            "DATABASE_URL": _url_of_test_database(),
        }
        started.append(subprocess.Popen(["setpriv", "--pdeathsig", "KILL", sys.executable, str(ROOT / "manage.py"), "watcher"], env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def _url_of_test_database() -> str:
    name = str(connection.settings_dict["NAME"])
    return f"sqlite:///{name}" if connection.vendor == "sqlite" else f"{settings.DATABASE_URL.rpartition('/')[0]}/{name}"


def add(daemon: FleetHost, **fields: Any) -> Host:
    """The daemon as a host to be followed."""
    return add_socket(daemon.directory / "libvirt-sock", name=daemon.name, **fields)


def add_socket(path: Path, *, name: str, **fields: Any) -> Host:
    return Host.objects.create(name=name, kind="socket", driver="test", path=str(path), **fields)


def wait_for_state(host: Host, state: State, *, seconds: float = 10) -> Host:
    """Until the row says so; the fresh row."""
    wait_until(f"{host.name} is {state}", lambda: Host.objects.get(pk=host.pk).state == state, seconds=seconds)
    return Host.objects.get(pk=host.pk)
