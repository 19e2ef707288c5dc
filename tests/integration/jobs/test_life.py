"""The life of a job, step by step: every way in, every way out, and each race that has a right answer."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from accounts.models import AuditEntry
from jobs import registry, run, work
from jobs.models import Job, State
from jobs.submit import Refused, Urgency, active_for, cancel, submit_many
from jobs.submit import Subject as About
from jobs.work import Work
from tests.integration.jobs.conftest import Host, fresh
from tests.integration.jobs.fakes.kinds import FAKES
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., Job]
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, dict[str, Any]]]:
    """What goes to the broker, which is not there in these tests."""
    messages: list[tuple[str, Any, dict[str, Any]]] = []
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda task, args, **options: messages.append((task, args[0], options)))
    monkeypatch.setattr(run, "_messages_in", lambda queue: 0)
    return messages


def set_back(job: Job, **fields: Any) -> None:
    Job.objects.filter(pk=job.pk).update(**fields)


def ended(job: Job) -> tuple[str, str]:
    job = fresh(job)
    return job.state, job.error


# ── done, failed ──


def test_done(ask: Ask, host: Host, sent: list[Any]) -> None:
    job = ask("plain")
    assert job.state == State.QUEUED
    assert [(task, key, options["queue"], options["time_limit"]) for task, key, options in sent] == [("jobs.run", job.pk, "quick", 120)]
    run.run(job.pk)
    job = fresh(job)
    assert (job.state, job.progress, job.result, job.phase) == (State.DONE, 100, {"n": 1}, "")
    assert job.finished_at is not None
    assert [line.text for line in job.lines.all()] == ["Changing"]
    assert list(AuditEntry.objects.order_by("id").values_list("actor", "result")) == [("ann", "asked"), ("ann", "done")]


def test_a_second_delivery_is_harmless(ask: Ask, host: Host) -> None:
    job = ask("plain")
    for _ in range(3):
        run.run(job.pk)
    assert host.lines() == ["plain"]
    assert fresh(job).attempts == 1


def test_a_job_that_is_not_there_is_harmless() -> None:
    run.run(10**9)
    run.settle(10**9)


def test_our_own_mistake_is_said_without_its_words(ask: Ask) -> None:
    job = ask("mistaken")
    run.run(job.pk)
    assert ended(job) == (State.FAILED, "WebVirt made a mistake; its log has the details.")


def test_a_kind_that_this_version_does_not_have_fails_and_can_be_shown(ask: Ask) -> None:
    job = ask("plain")
    set_back(job, kind="old.thing")
    assert (fresh(job).title, fresh(job).can_cancel) == ("old.thing", True)
    run.run(job.pk)
    assert fresh(job).state == State.FAILED


def test_progress_of_a_failure_stays_where_it_was(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(doing: Work) -> None:
        doing.phase("Half")
        doing.progress(55)
        raise ZeroDivisionError

    monkeypatch.setattr(registry, "find", lambda kind: registry.Operation(run=fail, settle=lambda w: registry.Fate.DONE))
    job = ask("plain")
    run.run(job.pk)
    assert (fresh(job).state, fresh(job).progress) == (State.FAILED, 55)


# ── one changing job a subject ──


def test_one_changing_job_a_subject(ask: Ask, ann: Any) -> None:
    first = ask("plain")
    with pytest.raises(Refused, match="ann is at it: plain of m7 queued"):
        ask("held")
    ask("plain", machine=8)
    assert active_for("machine", 7) == first
    run.run(first.pk)
    ask("held")
    refused = AuditEntry.objects.filter(result="refused")
    assert refused.count() == 1


def test_many_at_once_leave_out_who_is_busy(ask: Ask, ann: Any, host: Host, sent: list[Any]) -> None:
    ask("plain", machine=2)
    sent.clear()
    subjects = [About("machine", n, f"m{n}", 3, "kvm-3") for n in (1, 2, 3)]
    made = submit_many(f"{FAKES}.plain", subjects, asked_by=ann, batch="b1")
    assert sorted(made) == [1, 3]
    assert [(task, key) for task, key, _ in sent] == [("jobs.enqueue_batch", "b1")]
    run.enqueue_batch("b1")
    assert sorted(key for task, key, _ in sent if task == "jobs.run") == sorted(job.pk for job in made.values())


def test_a_person_cannot_fill_the_house_with_jobs(ask: Ask, ann: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.submit.MOST_ACTIVE_OF_A_PERSON", 2)
    ask("plain", machine=1)
    with pytest.raises(Refused, match="not finished"):
        submit_many(f"{FAKES}.plain", [About("machine", n, "m", 3) for n in (2, 3)], asked_by=ann, batch="b")
    ask("plain", machine=2)
    with pytest.raises(Refused, match="not finished"):
        ask("plain", machine=3)
    assert Job.objects.count() == 2


# ── waiting ──


def test_waiting_holds_no_worker_and_goes_on_when_woken(ask: Ask, host: Host) -> None:
    job = ask("waiting")
    run.run(job.pk)
    waits = fresh(job)
    assert (waits.state, waits.phase, waits.claim) == (State.RUNNING, "Waiting for the host", "")
    assert waits.wait_until is not None
    run.run(job.pk)  # a look too early
    assert fresh(job).wait_until == waits.wait_until, "the first limit counts"
    host.touch("go")
    run.run(job.pk)
    assert fresh(job).state == State.DONE
    assert host.lines() == ["asked"], "asked once, however often looked at"
    assert [line.text for line in job.lines.all()] == ["Asking", "Waiting for the host"]


def test_waiting_too_long_fails(ask: Ask, host: Host) -> None:
    job = ask("waiting")
    run.run(job.pk)
    set_back(job, wait_until=timezone.now() - MINUTE)
    run.run(job.pk)
    assert ended(job) == (State.FAILED, "It took too long.")


def test_a_delivery_that_read_the_row_before_another_ran_it_does_not_run_it_again(ask: Ask, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queued and waiting look alike to a compare-and-swap on the claim: both are free."""
    job = ask("waiting")
    make_claim = uuid.uuid4

    def after_the_row_was_read() -> uuid.UUID:
        if not host.has("meanwhile"):
            host.touch("meanwhile")
            run.run(job.pk)  # another worker is faster
        return make_claim()

    monkeypatch.setattr("jobs.run.uuid.uuid4", after_the_row_was_read)
    run.run(job.pk)
    assert host.lines() == ["asked"]


def test_a_host_away_for_a_moment_does_not_fail_what_waits(ask: Ask, host: Host) -> None:
    job = ask("waiting")
    run.run(job.pk)
    host.touch("away")
    run.run(job.pk)
    assert (fresh(job).state, fresh(job).phase) == (State.RUNNING, "Waiting for the host: The host does not answer.")
    host.remove("away")
    host.touch("go")
    run.run(job.pk)
    assert fresh(job).state == State.DONE


# ── cancelling ──


def test_cancel_while_queued(ask: Ask, host: Host) -> None:
    job = ask("plain")
    assert cancel(job, "bob")
    run.run(job.pk)
    assert fresh(job).state == State.CANCELLED
    assert host.lines() == []
    assert not cancel(fresh(job), "bob"), "there is nothing to stop any more"


def test_cancel_while_it_waits_ends_at_once_and_says_what_is_not_taken_back(ask: Ask, host: Host) -> None:
    job = ask("waiting")
    run.run(job.pk)
    assert cancel(fresh(job), "bob")
    assert fresh(job).state == State.CANCELLED
    assert "bob cancelled it. What was asked of the host already is not taken back." in [line.text for line in job.lines.all()]
    host.touch("go")
    run.run(job.pk)
    assert fresh(job).state == State.CANCELLED
    ask("plain")  # the subject is free


def test_cancel_of_what_runs_on_the_host_by_itself_stops_it_there(ask: Ask, host: Host, sent: list[Any]) -> None:
    job = ask("followed")
    run.run(job.pk)
    sent.clear()
    assert cancel(fresh(job), "bob")
    assert fresh(job).state == State.RUNNING, "not cancelled before the host says so"
    assert [(task, key, options["priority"]) for task, key, options in sent] == [("jobs.run", job.pk, Urgency.LOOK)]
    run.run(job.pk)
    assert fresh(job).state == State.CANCELLED
    assert not host.has("running")


def test_cancel_while_a_worker_is_at_it(ask: Ask, host: Host) -> None:
    job = ask("held")
    worker = threading.Thread(target=_in_thread, args=(run.run, job.pk))
    worker.start()
    wait_until("it has begun", lambda: host.has("begun"))
    assert cancel(fresh(job), "bob")
    assert not cancel(fresh(job), "bob"), "asked already"
    worker.join(10)
    assert fresh(job).state == State.CANCELLED
    assert host.has("aborted")
    assert host.lines() == []


def test_cancel_asked_before_the_worker_could_register_how_to_stop(ask: Ask, host: Host) -> None:
    job = ask("held")
    set_back(job, cancel_asked_by="bob")  # between the claim's read and the operation's on_cancel()
    run.run(job.pk)
    assert fresh(job).state == State.CANCELLED
    assert host.lines() == []


def test_stopping_is_tried_again_until_it_works(ask: Ask, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def stubborn(doing: Work) -> None:
        def abort() -> None:
            tries.append(1)
            if len(tries) < 3:
                raise RuntimeError("nothing to stop yet")

        doing.on_cancel(abort)
        wait_until("it was stopped", lambda: len(tries) >= 3)
        raise work.Cancelled

    monkeypatch.setattr(work, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(registry, "find", lambda kind: registry.Operation(run=stubborn, settle=lambda w: registry.Fate.DONE))
    job = ask("held")
    set_back(job, cancel_asked_by="bob")
    run.run(job.pk)
    assert fresh(job).state == State.CANCELLED


def test_cancel_in_the_moment_of_a_look_counts(ask: Ask, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    job = ask("waiting")
    run.run(job.pk)
    find = registry.find

    def cancelled_meanwhile(kind: str) -> registry.Operation:
        cancel(fresh(job), "bob")
        return find(kind)

    monkeypatch.setattr(registry, "find", cancelled_meanwhile)
    run.run(job.pk)
    assert fresh(job).state == State.CANCELLED


# ── what became of it ──


def died(job: Job) -> None:
    """Its worker was killed a minute ago."""
    set_back(job, state=State.RUNNING, claim="dead", attempts=1, started_at=timezone.now() - MINUTE, heartbeat_at=timezone.now() - MINUTE)


def test_the_host_shows_it_done(ask: Ask, host: Host) -> None:
    job = ask("plain")
    died(job)
    host.touch("effects")
    run.settle(job.pk)
    assert fresh(job).state == State.DONE


def test_the_host_shows_it_not_done(ask: Ask, host: Host) -> None:
    job = ask("plain")
    died(job)
    run.settle(job.pk)
    state, error = ended(job)
    assert state == State.INTERRUPTED
    assert "not done. Nothing was repeated." in error
    assert fresh(job).retry_helps
    run.run(job.pk)
    assert host.lines() == [], "it is never blindly run again"


def test_nothing_on_the_host_tells(ask: Ask) -> None:
    job = ask("traceless")
    died(job)
    run.settle(job.pk)
    assert ended(job) == (State.INTERRUPTED, "Its worker died. Nothing on the host tells whether it was done.")


def test_it_still_runs_on_the_host_and_is_adopted(ask: Ask, host: Host) -> None:
    job = ask("followed")
    died(job)
    host.touch("running")
    run.settle(job.pk)
    assert fresh(job).state == State.RUNNING
    run.run(job.pk)
    assert fresh(job).wait_until is not None
    assert host.lines() == [], "followed, not begun again"
    host.remove("running")
    run.run(job.pk)
    assert fresh(job).state == State.DONE


def test_what_it_was_about_is_gone(ask: Ask, host: Host) -> None:
    job = ask("plain")
    died(job)
    host.touch("removed")
    run.settle(job.pk)
    assert ended(job) == (State.INTERRUPTED, "Its worker died. The machine is not on its host any more.")


def test_a_host_that_is_away_is_asked_again_until_patience_ends(ask: Ask, host: Host) -> None:
    job = ask("plain")
    died(job)
    host.touch("away")
    run.settle(job.pk)
    assert (fresh(job).state, fresh(job).phase) == (State.RUNNING, "Waiting for the host: The host does not answer.")
    with pytest.raises(Refused):
        ask("plain")
    host.remove("away")
    host.touch("effects")
    run.settle(job.pk)
    assert fresh(job).state == State.DONE

    job = ask("plain")
    died(job)
    host.touch("away")
    set_back(job, started_at=timezone.now() - timedelta(days=2))
    run.settle(job.pk)
    assert fresh(job).state == State.INTERRUPTED


def test_what_nobody_can_tell_can_be_given_up(ask: Ask, host: Host) -> None:
    job = ask("plain")
    died(job)
    host.touch("away")
    run.settle(job.pk)
    assert fresh(job).can_cancel
    assert cancel(fresh(job), "bob")
    state, error = ended(job)
    assert state == State.INTERRUPTED
    assert "bob did not wait" in error
    ask("plain")


def test_a_host_lost_in_the_middle_must_say_what_became_of_it(ask: Ask, host: Host) -> None:
    job = ask("lost")
    run.run(job.pk)
    assert fresh(job).state == State.RUNNING, "not failed: nobody knows"
    host.remove("away")
    host.touch("effects")
    run.settle(job.pk)
    assert fresh(job).state == State.DONE
    assert job.lines.filter(text="The host was lost in the middle. The host shows it done.").exists(), "no worker died"


def test_a_host_that_was_never_reached_is_a_failure(ask: Ask, host: Host) -> None:
    job = ask("plain")
    host.touch("away")
    run.run(job.pk)
    assert ended(job) == (State.FAILED, "The host does not answer.")
    assert fresh(job).retry_helps


def test_a_settling_that_breaks_ends_the_job_and_not_the_sweep(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    job = ask("plain")
    died(job)
    monkeypatch.setattr(registry, "find", lambda kind: (_ for _ in ()).throw(LookupError(kind)))
    run.settle(job.pk)
    assert fresh(job).state == State.INTERRUPTED


def test_who_works_is_not_settled(ask: Ask, host: Host) -> None:
    job = ask("held")
    worker = threading.Thread(target=_in_thread, args=(run.run, job.pk))
    worker.start()
    wait_until("it has begun", lambda: host.has("begun"))
    run.settle(job.pk)
    host.touch("go")
    worker.join(10)
    assert fresh(job).state == State.DONE


def test_a_worker_thought_dead_cannot_write_over_what_was_settled(ask: Ask, host: Host) -> None:
    job = ask("held")
    worker = threading.Thread(target=_in_thread, args=(run.run, job.pk))
    worker.start()
    wait_until("it has begun", lambda: host.has("begun"))
    set_back(job, state=State.INTERRUPTED, claim="settled", error="as settled", finished_at=timezone.now())
    host.touch("go")
    worker.join(10)
    assert ended(job) == (State.INTERRUPTED, "as settled")


# ── the sign of life ──


def test_the_heartbeat_outlives_a_database_that_is_away(ask: Ask, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(work, "_HEARTBEAT_SECONDS", 0.1)
    look, failures = Work._look, [3]

    def unsteady(self: Work) -> None:
        if failures[0]:
            failures[0] -= 1
            raise DatabaseError("gone")
        look(self)

    monkeypatch.setattr(Work, "_look", unsteady)
    job = ask("held")
    worker = threading.Thread(target=_in_thread, args=(run.run, job.pk))
    worker.start()
    wait_until("it has begun", lambda: host.has("begun"))
    set_back(job, heartbeat_at=timezone.now() - MINUTE)
    wait_until("it beats", lambda: timezone.now() - (fresh(job).heartbeat_at or timezone.now() - MINUTE) < timedelta(seconds=5))
    assert failures == [0]
    host.touch("go")
    worker.join(10)
    assert fresh(job).state == State.DONE


def test_reports_that_are_lost_do_not_fail_the_work(ask: Ask, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**kwargs: Any) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr("jobs.work.JobLine.objects.create", away)
    job = ask("plain")
    run.run(job.pk)
    assert fresh(job).state == State.DONE


# ── the sweep ──


def swept(sent: list[Any]) -> list[tuple[str, Any]]:
    sent.clear()
    run.sweep()
    return [(task, key) for task, key, _ in sent]


def test_the_sweep_enqueues_what_the_broker_forgot_once_in_a_while(ask: Ask, sent: list[Any]) -> None:
    job = ask("plain")
    assert swept(sent) == [], "it is fresh"
    set_back(job, enqueued_at=timezone.now() - MINUTE)
    assert swept(sent) == [("jobs.run", job.pk)]
    assert swept(sent) == []


def test_the_sweep_gives_a_busy_broker_nothing_twice(ask: Ask, sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    job = ask("plain")
    set_back(job, enqueued_at=timezone.now() - MINUTE)
    monkeypatch.setattr(run, "_messages_in", lambda queue: 500)
    assert swept(sent) == []


def test_a_clock_that_was_set_back_does_not_hide_what_was_forgotten(ask: Ask, sent: list[Any]) -> None:
    job = ask("plain")
    set_back(job, enqueued_at=timezone.now() + timedelta(hours=5))
    assert swept(sent) == [("jobs.run", job.pk)]


def test_the_sweep_looks_after_what_waits(ask: Ask, sent: list[Any]) -> None:
    job = ask("waiting")
    run.run(job.pk)
    assert swept(sent) == []
    set_back(job, enqueued_at=timezone.now() - MINUTE)
    assert swept(sent) == [("jobs.run", job.pk)]


def test_of_very_many_that_wait_none_is_left_out(ask: Ask, sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_AT_ONCE", 2)
    jobs = [ask("waiting", machine=n) for n in range(5)]
    for job in jobs:
        run.run(job.pk)
    Job.objects.update(enqueued_at=timezone.now() - MINUTE)
    seen = {key for _ in range(3) for _task, key in swept(sent)}
    assert seen == {job.pk for job in jobs}


def test_a_clock_that_jumped_forward_kills_no_living_worker(ask: Ask, host: Host, sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """To the sweep the heartbeat is an hour old; it looks twice, and by then the worker has beaten in the new time."""
    monkeypatch.setattr(work, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(run, "_SUSPICION_SECONDS", 0.5)
    job = ask("held")
    worker = threading.Thread(target=_in_thread, args=(run.run, job.pk))
    worker.start()
    wait_until("it has begun", lambda: host.has("begun"))
    set_back(job, heartbeat_at=timezone.now() - timedelta(hours=1), enqueued_at=timezone.now() - timedelta(hours=1))
    assert swept(sent) == []
    wait_until("it beats in the new time", lambda: timezone.now() - (fresh(job).heartbeat_at or timezone.now()) < MINUTE)
    assert swept(sent) == []
    host.touch("go")
    worker.join(10)
    assert fresh(job).state == State.DONE


def test_the_dead_are_settled_at_the_second_look(ask: Ask, sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_SUSPICION_SECONDS", 0.2)
    job = ask("plain")
    died(job)
    set_back(job, enqueued_at=timezone.now() - MINUTE)
    assert swept(sent) == []
    assert swept(sent) == [], "two sweeps at once are one look"
    threading.Event().wait(0.25)
    assert swept(sent) == [("jobs.settle", job.pk)]
    assert swept(sent) == [], "not again while that is on its way"


def test_tidy_removes_only_what_ended_long_ago(ask: Ask) -> None:
    old, young = ask("plain"), ask("plain", machine=8)
    run.run(old.pk)
    run.run(young.pk)
    set_back(old, finished_at=timezone.now() - timedelta(days=91))
    active = ask("plain")
    run.tidy()
    assert set(Job.objects.values_list("pk", flat=True)) == {young.pk, active.pk}


def _in_thread(act: Callable[[int], None], key: int) -> None:
    try:
        act(key)
    finally:
        connection.close()
