"""The supervisor alone, with small children: start order, restart, stop, and nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import processes
from tests.waiting import wait_until

SCRIPT = Path(__file__).with_name("small_stack.py")


@dataclass
class SmallStack:
    process: subprocess.Popen[bytes]
    notes: Path
    log: Path

    def pids(self, name: str) -> list[int]:
        """Of every start of that child so far."""
        return [int(pid) for noted, pid in (line.split() for line in self.notes.read_text().splitlines()) if noted == name]

    def started(self, name: str, times: int = 1) -> int:
        """The pid of that start."""
        wait_until(f"{name} starts {times} times", lambda: len(self.pids(name)) >= times)
        return self.pids(name)[times - 1]

    def says(self, words: str) -> bool:
        return words in self.log.read_text()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallStack]:
    notes, log = tmp_path / "notes", tmp_path / "log"
    notes.touch()
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "tests.integration.supervisor.small_stack", str(notes)], stdout=output, stderr=subprocess.STDOUT)
    yield SmallStack(process, notes, log)
    process.terminate()
    process.wait(timeout=10)


def test_starts_in_order_and_names_who_speaks(small: SmallStack) -> None:
    small.started("last")
    assert small.notes.read_text().startswith("steady ")
    log = small.log.read_text()
    assert "steady   │ steady says hello" in log
    assert "the page is served" in log


def test_a_killed_child_comes_back_alone(small: SmallStack) -> None:
    first, other = small.started("steady"), small.started("last")
    os.kill(first, signal.SIGKILL)
    assert small.started("steady", 2) != first
    assert small.pids("last") == [other]
    assert small.says("ended (signal SIGKILL); starting again in 0.2 s")
    assert small.says("half a line")


def test_the_pause_grows_while_it_keeps_dying(small: SmallStack) -> None:
    for times in (1, 2, 3):
        os.kill(small.started("steady", times), signal.SIGKILL)
    small.started("steady", 4)
    pauses = [line.split("in ")[-1] for line in small.log.read_text().splitlines() if "starting again" in line]
    assert pauses == ["0.2 s", "0.4 s", "0.8 s"]


def test_a_task_is_done_once(small: SmallStack) -> None:
    os.kill(small.started("steady"), signal.SIGKILL)
    small.started("steady", 2)
    assert len(small.pids("task")) == 1
    assert not small.says("task     │ ended")


def test_a_grandchild_dies_with_its_leader(small: SmallStack) -> None:
    grandchild = small.started("grandchild")
    os.kill(small.started("stubborn"), signal.SIGKILL)
    wait_until("the grandchild is gone", lambda: not processes.lives(grandchild))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stops_in_stages_and_leaves_nobody(small: SmallStack, number: signal.Signals) -> None:
    pids = [small.started(name) for name in ("steady", "stubborn", "grandchild", "last")]
    small.process.send_signal(number)
    # 1: `stubborn` had to be killed, and that is said.
    assert small.process.wait(timeout=10) == 1
    assert not [pid for pid in pids if processes.lives(pid)]
    assert small.says("stubborn │ does not end by itself: killed")
    assert small.notes.read_text().splitlines()[-1] == f"last-stopping {pids[-1]}"


def test_nobody_outlives_a_killed_supervisor(small: SmallStack) -> None:
    pids = [small.started(name) for name in ("steady", "stubborn", "last")]
    small.process.kill()
    small.process.wait()
    wait_until("every child is gone", lambda: not [pid for pid in pids if processes.lives(pid)])
    # A grandchild must ask the kernel for the same: this one did not, the workers' do (test_up.py).
    os.kill(small.started("grandchild"), signal.SIGKILL)
