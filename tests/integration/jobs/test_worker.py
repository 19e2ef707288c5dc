"""The same with what it is made of: a real Celery worker, a real Redis, and kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from jobs import run, submit
from jobs.models import ACTIVE, Job, State
from live.metrics import store
from tests import processes
from tests.integration.jobs.conftest import Host, fresh
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., Job]
SLOTS = 2


class Worker:
    """`celery worker` on this test's database and Redis."""

    def __init__(self) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "webvirt.settings",
            "WEBVIRT_DATA": str(settings.DATA_DIR),
            "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        }
        command = ["-m", "celery", "--quiet", "--skip-checks", "-A", "tests.integration.jobs.worker_app", "worker", "-Q", "quick,long", "-c", str(SLOTS)]
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, *command, "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING"],
            env=environment,
            cwd=settings.BASE_DIR,
        )

    def slots(self) -> list[int]:
        """The processes that do the work."""
        return [process.pid for process in processes.descendants(self.process.pid) if process.parent == self.process.pid]

    def kill(self) -> None:
        """kill -9, with all its slots, as when the machine's memory ran out."""
        for pid in (self.process.pid, *self.slots()):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.kill()


@pytest.fixture
def new_worker() -> Iterator[Callable[[], Worker]]:
    store().flushall()
    workers: list[Worker] = []

    def start() -> Worker:
        workers.append(Worker())
        return workers[-1]

    yield start
    for each in workers:
        each.stop()


@pytest.fixture
def worker(new_worker: Callable[[], Worker]) -> Worker:
    return new_worker()


def is_in(job: Job, *states: State) -> bool:
    return fresh(job).state in states


def until_ended(job: Job, seconds: float = 20) -> Job:
    wait_until(f"job {job.pk} ends", lambda: not fresh(job).is_active, seconds=seconds)
    return fresh(job)


def test_a_slot_killed_in_the_middle_is_replaced_and_its_job_is_not_repeated(worker: Worker, ask: Ask, host: Host) -> None:
    job = ask("held")
    wait_until("it has begun", lambda: host.has("begun"), seconds=20)
    threads = {pid: len(os.listdir(f"/proc/{pid}/task")) for pid in worker.slots()}
    os.kill(max(threads, key=lambda pid: threads[pid]), signal.SIGKILL)  # the one with a heartbeat
    host.touch("go")
    sweep_until(lambda: not fresh(job).is_active)
    assert fresh(job).state == State.INTERRUPTED
    assert host.lines() == []
    jobs = [ask("plain", machine=n) for n in range(4)]
    assert {until_ended(each).state for each in jobs} == {State.DONE}
    assert len(worker.slots()) == SLOTS


def test_kill_9_of_the_whole_worker_with_jobs_in_every_condition(new_worker: Callable[[], Worker], ask: Ask, host: Host, tmp_path: Path) -> None:
    others = Host(tmp_path / "others")
    others.directory.mkdir()
    first = new_worker()
    waits = ask("waiting", machine=1, host=str(others.directory))
    wait_until("one waits", lambda: fresh(waits).wait_until is not None, seconds=20)
    held = [ask("held", machine=2), ask("held", machine=3)]
    wait_until("two are held", lambda: Job.objects.exclude(phase="Waiting for the host").filter(state=State.RUNNING).count() == SLOTS)
    queued = ask("plain", machine=4, host=str(others.directory))
    first.kill()
    host.touch("go")
    others.touch("go")
    new_worker()
    sweep_until(lambda: not Job.objects.filter(state__in=ACTIVE).exists())
    assert [fresh(job).state for job in held] == [State.INTERRUPTED, State.INTERRUPTED]
    assert host.lines() == [], "what was killed is not repeated"
    assert [fresh(job).state for job in (waits, queued)] == [State.DONE, State.DONE]
    assert sorted(others.lines()) == ["asked", "plain"], "each once"


def test_a_call_that_never_returns_is_ended_by_force(worker: Worker, ask: Ask, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "QUICK_LIMIT_SECONDS", 2)
    job = ask("held")  # nobody lets it go on
    wait_until("it has begun", lambda: host.has("begun"), seconds=20)
    sweep_until(lambda: not fresh(job).is_active)
    assert fresh(job).state == State.INTERRUPTED
    assert until_ended(ask("plain")).state == State.DONE


def test_what_the_broker_forgot_is_enqueued_again(new_worker: Callable[[], Worker], ask: Ask, host: Host) -> None:
    jobs = [ask("plain", machine=n) for n in range(30)]
    assert run._messages_in("quick") == 30
    store().flushall()  # as after a restart: it keeps nothing on the disk
    assert run._messages_in("quick") == 0
    Job.objects.update(enqueued_at=timezone.now() - timedelta(minutes=1))
    run.sweep()
    assert run._messages_in("quick") == 30
    new_worker()
    for job in jobs:
        assert until_ended(job).state == State.DONE
    assert len(host.lines()) == 30


def test_a_broker_that_loses_connections_and_messages_while_the_worker_is_at_it(worker: Worker, ask: Ask, host: Host) -> None:
    job = ask("held")
    wait_until("it has begun", lambda: host.has("begun"), seconds=20)
    store().flushall()
    for client in store().client_list():
        if client["cmd"] == "brpop":
            store().client_kill_filter(_id=client["id"])
    other = ask("plain", machine=8)
    host.touch("go")
    assert until_ended(job).state == State.DONE
    Job.objects.filter(pk=other.pk, state=State.QUEUED).update(enqueued_at=timezone.now() - timedelta(minutes=1))
    run.sweep()
    assert until_ended(other, 40).state == State.DONE
    assert sorted(host.lines()) == ["held", "plain"]


def test_cancel_reaches_a_real_worker(worker: Worker, ask: Ask, host: Host) -> None:
    job = ask("held")
    wait_until("it has begun", lambda: host.has("begun"), seconds=20)
    begun = time.monotonic()
    submit.cancel(fresh(job), "ann")
    assert until_ended(job).state == State.CANCELLED
    assert time.monotonic() - begun < 4
    assert host.lines() == []


def test_news_and_sweep_at_the_same_moment_make_one_turn(worker: Worker, ask: Ask, host: Host) -> None:
    """Both enqueue the same waiting job, for two slots, again and again: never two at it, never asked twice."""
    job = ask("waiting")
    wait_until("it waits", lambda: fresh(job).wait_until is not None, seconds=20)
    turns = fresh(job).attempts
    for _ in range(20):
        Job.objects.filter(pk=job.pk).update(enqueued_at=timezone.now() - timedelta(minutes=1))
        threads = [threading.Thread(target=_in_thread, args=(act,)) for act in (lambda: submit.wake_waiting("machine", [7]), run.sweep)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    host.touch("go")
    submit.wake_waiting("machine", [7])
    assert until_ended(job).state == State.DONE
    assert host.lines() == ["asked"]
    assert len(host.lines("looks")) // 2 <= fresh(job).attempts <= turns + 41


def test_a_sweep_goes_before_a_long_queue(worker: Worker, ask: Ask, host: Host) -> None:
    """Else a bulk action would make the stack look dead: the sweep is also the workers' sign of life."""
    from celery import current_app

    from jobs import beats

    for n in range(SLOTS):
        ask("held", machine=n)
    wait_until("all slots are taken", lambda: Job.objects.filter(state=State.RUNNING).count() == SLOTS, seconds=20)
    behind = [ask("plain", machine=100 + n) for n in range(40)]
    assert beats.worker_age() is None
    current_app.send_task("jobs.sweep", queue="quick")
    host.touch("go")
    wait_until("the sweep ran", lambda: beats.worker_age() is not None)
    assert any(fresh(job).is_active for job in behind), "it went before the others"


def sweep_until(ready: Callable[[], bool], seconds: float = 30) -> None:
    """What beat does, a little faster."""

    def step() -> bool:
        Job.objects.filter(state__in=ACTIVE).update(enqueued_at=timezone.now() - timedelta(minutes=1))
        run.sweep()
        return ready()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "DEAD_AFTER", timedelta(seconds=2))
        patch.setattr(run, "_SUSPICION_SECONDS", 1.0)
        wait_until("the sweep settled it", step, seconds=seconds, every=0.5)


def _in_thread(act: Callable[[], Any]) -> None:
    try:
        act()
    finally:
        connection.close()
