"""Several watchers: each host has one, and gets another when its own dies, stops or is held up."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from hosts.models import Host, State, WatcherBeat
from machines.models import Machine
from tests.integration.watcher.conftest import Watching, add, wait_for_state
from tests.lab.fleet import Fleet, FleetHost
from tests.waiting import wait_until

Process = Callable[[], "subprocess.Popen[bytes]"]


def _owners() -> set[str]:
    return set(Host.objects.values_list("lease_owner", flat=True))


def _hold_up(process: subprocess.Popen[bytes]) -> None:
    """Stop it for a while, but not in the middle of a transaction: everybody would wait for that."""
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=1)) as database, suppress(sqlite3.OperationalError):
            database.execute("BEGIN IMMEDIATE")
            return
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.05)


def test_a_second_watcher_gets_its_half_and_all_when_the_first_stops(daemons: Fleet, watch: Callable[..., Watching]) -> None:
    for each in (daemons[0], daemons[1]):
        each.populate(1, running=1)
        add(each)
    one = watch("one")
    wait_until("one has both", lambda: len(one.supervisor.following) == 2, seconds=8)
    two = watch("two")
    wait_until("each has one", lambda: len(one.supervisor.following) == len(two.supervisor.following) == 1, seconds=6)
    assert _owners() == {"one", "two"}
    one.stop()
    assert not WatcherBeat.objects.filter(name="one").exists()
    wait_until("two has both", lambda: len(two.supervisor.following) == 2, seconds=8)


def test_a_killed_watcher_is_followed_by_another_at_once(daemon: FleetHost, watch: Callable[..., Watching], watcher_process: Process) -> None:
    host = add(daemon)
    process = watcher_process()
    wait_for_state(host, State.ONLINE)
    process.kill()
    process.wait()
    watching = watch()
    began = time.monotonic()
    wait_until("it is taken over", lambda: watching.supervisor.following == [host.pk], seconds=5)
    assert time.monotonic() - began < 5, "a process of this machine that ended is not waited for"
    with daemon.connection() as there:
        there.lookupByName(f"{daemon.name}-m001").create()
    wait_until("events are seen", lambda: Machine.objects.filter(name=f"{daemon.name}-m001", state="running").exists(), seconds=8)


def test_a_watcher_that_was_held_up_lets_go_of_what_others_took(daemon: FleetHost, watch: Callable[..., Watching], watcher_process: Process) -> None:
    host = add(daemon)
    process = watcher_process()
    wait_for_state(host, State.ONLINE)
    _hold_up(process)
    assert _owners() != {"taker"}
    watching = watch("taker")
    time.sleep(1.5)
    assert watching.supervisor.following == [], "its lease still runs"
    Host.objects.update(lease_until=timezone.now() - timedelta(seconds=1))  # as ten seconds later
    wait_until("it is taken over", lambda: watching.supervisor.following == [host.pk], seconds=8)
    os.kill(process.pid, signal.SIGCONT)
    time.sleep(2)
    assert _owners() == {"taker"}
    with daemon.connection() as there:
        there.lookupByName(f"{daemon.name}-m001").create()
    wait_until("the event is seen", lambda: Machine.objects.filter(name=f"{daemon.name}-m001", state="running").exists(), seconds=8)
    machine = Machine.objects.get(name=f"{daemon.name}-m001")
    assert [event.words for event in machine.events.order_by("id")] == ["Seen for the first time", "Started"], "once"


def test_the_command_ends_at_once_and_leaves_nothing(daemon: FleetHost, watcher_process: Process) -> None:
    host = add(daemon)
    process = watcher_process()
    wait_for_state(host, State.ONLINE)
    daemon.freeze()  # it hangs: nobody waits for that
    try:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 4
    finally:
        daemon.thaw()
    assert _owners() == {""}
    assert not WatcherBeat.objects.exists()
