"""Jobs that share a lane, and jobs that are made of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from jobs import kinds, lanes, run
from jobs.models import Job, State
from jobs.shown import Shown
from jobs.submit import Subject, cancel, submit
from tests.integration.jobs.conftest import Host, fresh
from tests.integration.jobs.fakes.kinds import FAKES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The ids of jobs handed to the broker, in order."""
    ids: list[int] = []
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda task, args, **options: ids.append(args[0]) if task == "jobs.run" else None)
    monkeypatch.setattr(run, "_messages_in", lambda queue: 0)
    lanes.limit("few", lambda: 1)
    yield ids
    lanes._room.pop("few")


@pytest.fixture
def ask(host: Host, ann: User) -> Callable[..., Job]:
    def ask(machine: int, *through: str, kind: str = "plain", parent: Job | None = None) -> Job:
        subject = Subject("machine", machine, f"m{machine}", 3, "kvm-3")
        return submit(f"{FAKES}.{kind}", subject, asked_by=ann, params={"host": str(host.directory)}, through=through, parent=parent)

    return ask


def test_a_full_lane_holds_back_and_its_end_wakes_the_next(ask: Callable[..., Job], host: Host, sent: list[int]) -> None:
    first, second, third = ask(1, "few:a", kind="waiting"), ask(2, "few:a"), ask(3, "few:a", "few:b")
    other = ask(4, "few:b")
    for job in (first, second, third):
        run.run(job.pk)
    assert [fresh(job).state for job in (first, second, third)] == [State.RUNNING, State.QUEUED, State.QUEUED]
    assert fresh(second).held_back
    assert "one at a time" in fresh(second).phase
    run.run(other.pk)
    assert fresh(other).state == State.DONE, "one that waits elsewhere is passed for a while"

    sent.clear()
    host.touch("go")
    run.run(first.pk)
    assert sent == [second.pk], "the oldest, and no more than fit"
    run.run(third.pk)
    assert fresh(third).state == State.QUEUED, "the woken one is not overtaken"
    run.run(second.pk)
    run.run(third.pk)
    assert fresh(third).state == State.DONE


def test_nobody_is_passed_for_ever_and_the_sweep_finds_who_was_forgotten(ask: Callable[..., Job], host: Host, sent: list[int]) -> None:
    holder, old, young = ask(1, "few:a", kind="waiting"), ask(2, "few:a", "few:b"), ask(3, "few:b")
    run.run(holder.pk)
    run.run(old.pk)
    Job.objects.filter(pk=old.pk).update(created_at=timezone.now() - lanes.PATIENCE - timedelta(seconds=1))
    run.run(young.pk)
    assert "others came before" in fresh(young).phase
    Job.objects.filter(pk=holder.pk).update(state=State.DONE)  # its end woke nobody: that worker died
    Job.objects.update(enqueued_at=timezone.now() - timedelta(minutes=1))
    sent.clear()
    run.sweep()
    assert old.pk in sent
    assert young.pk not in sent


def test_a_parent_is_told_by_its_children_and_cancels_them(ask: Callable[..., Job], ann: User, host: Host, sent: list[int]) -> None:
    ann.is_superuser = True
    parent = ask(10, kind="waiting")
    run.run(parent.pk)
    done, queued = ask(11, parent=parent), ask(12, parent=parent)
    sent.clear()
    run.run(done.pk)
    assert fresh(parent).progress == 50
    assert sent == [parent.pk], "the parent looks again"
    assert [shown.job.pk for shown in Shown(fresh(parent), ann).children] == [queued.pk, done.pk]
    cancel(fresh(parent), "ann")
    assert fresh(queued).state == State.CANCELLED
    assert fresh(done).state == State.DONE


def test_the_same_again(ask: Callable[..., Job], ann: User, host: Host, client: Any) -> None:
    def again(user: User, job: Job) -> Job:
        return submit(job.kind, Subject("host", 1, "x", 1), asked_by=user, params=job.params)

    kinds.declare(kinds.Kind(f"{FAKES}.mistaken", "Mistaken", "bolt", again=again))
    ann.is_superuser = True
    ann.save()
    job = ask(1, kind="mistaken")
    client.force_login(ann)
    assert client.post(f"/jobs/{job.pk}/again/", headers={"WV-Async": "1"}).status_code == 409, "it has not ended"
    run.run(job.pk)
    answer = client.post(f"/jobs/{job.pk}/again/", headers={"WV-Async": "1"})
    assert answer.status_code == 204
    assert Job.objects.get(pk=int(answer.headers["WV-Job"])).kind == job.kind
