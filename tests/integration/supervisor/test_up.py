"""`manage.py up`, for real: every process killed once, orderly and disorderly ends, the second start, what it weighs."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests import processes
from tests.stack import Role, Stack, free_port, launch
from tests.waiting import wait_until

IDLE_LIMIT_BYTES = 380 * 1024 * 1024  # 300 in 2026; with a hundred hosts it may be 500 (tests/bench)
SECOND_START_SECONDS = 5.0  # of processor time, all processes together
Start = Callable[[int], subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a stack on the test's own directory; what the test leaves running is killed after it."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(port: int) -> subprocess.Popen[bytes]:
        started.append(launch(tmp_path, port))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def test_the_first_start_shows_the_way_in(stack: Stack) -> None:
    link = re.search(r"First visit: make the administrator at (http://\S+/account/setup/\S+)", stack.log)
    assert link
    assert link[1].startswith(stack.url)
    with urllib.request.urlopen(f"{stack.url}/", timeout=10) as page:
        assert page.status == 200
        assert "text/html" in page.headers["Content-Type"]


def test_nobody_else_reads_the_data(stack: Stack) -> None:
    assert stat.S_IMODE(stack.directory.stat().st_mode) == 0o700
    files = [path for path in stack.directory.iterdir() if path.name not in ("static", "log")]
    assert {"secret.key", "secrets.key", "webvirt.sqlite3", "run"} <= {path.name for path in files}
    assert [path.name for path in files if path.stat().st_mode & 0o077] == []


def test_logs_are_told_apart(stack: Stack) -> None:
    names = {line.partition("│")[0].strip() for line in stack.log.splitlines() if "│" in line}
    assert {"redis", "quick", "long"} <= names


def test_an_idle_stack_is_small(stack: Stack) -> None:
    weights = {pid: processes.pss_bytes(pid) for pid in stack.pids()}
    assert 0 < sum(weights.values()) <= IDLE_LIMIT_BYTES, weights
    # What libraries load by the way and nobody needs: 25 MB in the bridge, 5 MB in each worker.
    loaded = {pid: Path(f"/proc/{pid}/maps").read_text() for pid in stack.pids()}
    assert [pid for pid, files in loaded.items() if "numpy" in files or "wcwidth" in files] == []


@pytest.mark.parametrize("role", get_args(Role))
def test_a_killed_process_comes_back(stack: Stack, role: Role) -> None:
    others = {other: stack.pid(other) for other in get_args(Role) if other != role}
    before = stack.pid(role)
    stack.signal(role, signal.SIGKILL)
    wait_until(f"a new {role}", lambda: stack.pid(role) != before)
    stack.wait_ready()
    assert {other: stack.pid(other) for other in others} == others


def test_no_slot_outlives_its_worker(stack: Stack) -> None:
    worker = stack.pid("long")
    slots = [process.pid for process in processes.descendants(worker)]
    assert slots
    # Only the worker itself, not its group: what the out-of-memory killer does.
    os.kill(worker, signal.SIGKILL)
    wait_until("the slots are gone", lambda: not any(processes.lives(pid) for pid in slots))
    wait_until("a new worker with slots", lambda: len(processes.descendants(stack.pid("long"))) == len(slots))


def test_a_second_stack_on_the_same_data_is_refused(stack: Stack) -> None:
    second = launch(stack.directory, free_port())
    assert second.wait(timeout=30) == 1
    assert f"WebVirt already runs on {stack.directory} (process {stack.supervisor_pid})" in stack.log


def test_a_taken_port_is_refused(stack: Stack, start: Start, tmp_path: Path) -> None:
    second = start(stack.port)
    assert second.wait(timeout=30) == 1
    log = (tmp_path / "log").read_text()
    assert f"Cannot listen on 127.0.0.1 port {stack.port}: Address already in use" in log
    assert "Traceback" not in log


def test_a_data_path_too_long_for_a_socket_is_refused_in_words(tmp_path: Path) -> None:
    data = tmp_path / ("d" * 120)
    data.mkdir()
    assert launch(data, free_port()).wait(timeout=30) == 1
    assert "choose a shorter data directory" in (data / "log").read_text()


def test_the_second_start_is_quick_and_nothing_stays(start: Start, tmp_path: Path) -> None:
    port = free_port()
    first = start(port)
    wait_for_page(port)
    end(first, signal.SIGINT)

    second = start(port)
    wait_for_page(port)
    # Processor time, not the clock: so that it holds on a busy machine too. On an idle one, the page is there sooner than this.
    everybody = [processes.read(second.pid), *processes.descendants(second.pid)]
    assert 0 < sum(process.cpu_seconds for process in everybody if process) <= SECOND_START_SECONDS
    # The first administrator is still to be made: the way in is shown again.
    assert (tmp_path / "log").read_text().count("First visit:") == 2
    end(second, signal.SIGTERM)


def test_nobody_outlives_a_killed_supervisor(start: Start) -> None:
    port = free_port()
    supervisor = start(port)
    wait_for_page(port)
    wait_until("the workers have slots", lambda: len(processes.descendants(supervisor.pid)) >= 10)
    pids = [process.pid for process in processes.descendants(supervisor.pid)]
    supervisor.kill()
    supervisor.wait()
    wait_until("all are gone", lambda: not any(processes.lives(pid) for pid in pids))


def wait_for_page(port: int) -> None:
    """Until somebody who tries all the time gets the sign-in page."""

    def page() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return b"<html" in answer.read()

    wait_until("the page is served", page, seconds=60, every=0.02)


def end(supervisor: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Stops a stack and shows that it ended in order and that none of its processes stayed."""
    pids = [process.pid for process in processes.descendants(supervisor.pid)]
    supervisor.send_signal(number)
    assert supervisor.wait(timeout=30) == 0
    assert [pid for pid in pids if processes.lives(pid)] == []
