"""A round from the plan to its end: what is asked for when, and what happens to it when people and workers come in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Grant, User
from accounts.roles import Role
from hosts.models import Host
from jobs import run
from jobs import submit as jobs
from jobs.models import Job, State
from jobs.submit import Refused
from machines.models import Machine
from machines.models import State as MachineState
from machines.moves import actions, running
from machines.moves.models import Round
from machines.moves.models import State as PartState
from machines.moves.planning import Deed, Wish
from tests import inventory
from tests.integration.migration.conftest import a_machine
from tests.integration.moves.conftest import children, look

PCI = '<hostdev mode="subsystem" type="pci"><source><address domain="0x0000" bus="0x41" slot="0x00" function="0x2"/></source></hostdev>'
pytestmark = pytest.mark.django_db(transaction=True)


def begin(user: User, host: Host, wishes: dict[int, Wish] | None = None) -> tuple[Job, Round]:
    job = actions.begin(user, host, wishes or {})
    assert job is not None
    return job, Round.objects.get(job=job)


def states(found: Round) -> dict[str, str]:
    return dict(found.parts.values_list("name", "state"))


def test_a_host_is_emptied_and_gets_its_machines_back(hosts: list[Host], ann: User, finish: Callable[..., None], quiet_broker: list[int]) -> None:
    machines = [a_machine(hosts[0], name) for name in ("a", "b", "c")]
    held = a_machine(hosts[0], "held", devices=PCI)
    job, found = begin(ann, hosts[0])
    assert Host.objects.get(pk=hosts[0].pk).in_maintenance
    assert states(found) == {"a": "waits", "b": "waits", "c": "waits", "held": "left"}
    assert "0000:41:00.2" in found.parts.get(machine=held).words

    job = look(job)
    assert (job.state, job.phase) == (State.RUNNING, "0 of 3 done")
    moves = children(job)
    assert [each.kind for each in moves] == ["machines.migration.move"] * 3
    assert {each.params["target_name"] for each in moves} == {"h2", "h3"}, "spread over both"
    assert {lane.name for each in moves for lane in each.lanes.all()} >= {f"moves-out:{hosts[0].pk}"}

    quiet_broker.clear()
    finish(moves[0])
    assert job.pk in quiet_broker, "the parent looks again"
    look(job)
    assert states(found)["a"] == "done"
    finish(moves[1])
    finish(moves[2], State.FAILED, "No space left on h3.")
    job = look(job)
    assert job.state == State.FAILED
    assert job.error == "1 of 3 could not be done. c: No space left on h3."
    assert states(found) == {"a": "done", "b": "done", "c": "failed", "held": "left"}

    # b was taken elsewhere by somebody meanwhile: it is not brought back.
    Machine.objects.filter(pk=machines[1].pk).update(host=hosts[1] if moves[1].params["target_name"] == "h3" else hosts[2])
    coming = actions.homecoming(ann, Host.objects.get(pk=hosts[0].pk))
    assert [line.guest.name for line in coming.plan.moving] == ["a"]
    assert len(coming.elsewhere) == 1
    back = actions.end(ann, Host.objects.get(pk=hosts[0].pk), back=True)
    assert back is not None
    assert not Host.objects.get(pk=hosts[0].pk).in_maintenance
    look(back)
    finish(children(back)[0])
    assert look(back).state == State.DONE
    assert Machine.objects.get(name="a").host_id == hosts[0].pk


def test_what_stays_is_shut_down_and_started_again(hosts: list[Host], ann: User, finish: Callable[..., None]) -> None:
    held = a_machine(hosts[0], "held", devices=PCI)
    job, _ = begin(ann, hosts[0], {held.pk: Wish(stuck=Deed.SHUT_DOWN)})
    look(job)
    assert [each.kind for each in children(job)] == ["machines.shutdown"]
    finish(children(job)[0])
    assert look(job).state == State.DONE
    back = actions.end(ann, Host.objects.get(pk=hosts[0].pk), back=True)
    assert back is not None
    look(back)
    assert [each.kind for each in children(back)] == ["machines.start"]
    finish(children(back)[0])
    assert look(back).state == State.DONE


def test_shut_down_moved_and_started_there(hosts: list[Host], ann: User, finish: Callable[..., None]) -> None:
    held = a_machine(hosts[0], "held", devices=PCI)
    job, found = begin(ann, hosts[0], {held.pk: Wish(stuck=Deed.COLD)})
    kinds = []
    for _ in range(3):
        look(job)
        last = Job.objects.filter(parent=job).order_by("-pk")[0]
        kinds.append(last.kind)
        finish(last)
    assert kinds == ["machines.shutdown", "machines.migration.move", "machines.start"]
    assert look(job).state == State.DONE
    held.refresh_from_db()
    assert (held.host_id != hosts[0].pk, held.state) == (True, MachineState.RUNNING)
    assert states(found) == {"held": "done"}


def test_a_machine_that_is_started_there_waits_until_its_row_is_there(hosts: list[Host], ann: User, finish: Callable[..., None]) -> None:
    held = a_machine(hosts[0], "held", devices=PCI)
    job, _ = begin(ann, hosts[0], {held.pk: Wish(stuck=Deed.COLD)})
    look(job)
    finish(children(job)[0])
    look(job)
    move = Job.objects.get(parent=job, kind="machines.migration.move")
    Job.objects.filter(pk=move.pk).update(state=State.DONE)  # the watcher has not seen it yet
    job = look(job)
    assert (job.state, len(children(job))) == (State.RUNNING, 2)
    Machine.objects.filter(pk=held.pk).update(host_id=move.params["target"])
    look(job)
    assert [each.kind for each in children(job)][-1] == "machines.start"


def test_a_worker_dies_wherever_it_is_and_nothing_is_asked_for_twice(hosts: list[Host], ann: User, finish: Callable[..., None], monkeypatch: Any) -> None:
    for name in "abc":
        a_machine(hosts[0], name)
    job, found = begin(ann, hosts[0])
    real, calls = running.migration.move, []

    def dies(*args: Any, **options: Any) -> Job:
        calls.append(args)
        if len(calls) == 2:
            raise SystemExit  # what a kill looks like from inside
        return real(*args, **options)

    monkeypatch.setattr(running.migration, "move", dies)
    with pytest.raises(SystemExit):
        run.run(job.pk)
    assert len(children(job)) == 1
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    run.settle(job.pk)
    job = look(job)
    assert job.state == State.RUNNING
    assert [each.subject_name for each in children(job)] == ["a", "b", "c"]
    for each in children(job):
        finish(each)
    assert look(job).state == State.DONE
    assert set(states(found).values()) == {"done"}


def test_begin_no_more_lets_arrive_what_is_on_its_way(hosts: list[Host], ann: User, finish: Callable[..., None]) -> None:
    for name in "abc":
        a_machine(hosts[0], name)
    job, found = begin(ann, hosts[0])
    look(job)
    moves = children(job)
    Job.objects.filter(pk=moves[0].pk).update(state=State.RUNNING, claim="a worker's", heartbeat_at=timezone.now(), started_at=timezone.now())
    assert actions.stop(ann, found) == 2
    with pytest.raises(Refused):
        actions.stop(ann, Round.objects.get(pk=found.pk))
    job = look(job)
    assert job.state == State.RUNNING, "one is on its way"
    finish(moves[0])
    assert look(job).state == State.DONE
    assert sorted(states(found).values()) == ["done", "stopped", "stopped"]


def test_cancelling_stops_all_of_it(hosts: list[Host], ann: User, finish: Callable[..., None]) -> None:
    for name in "ab":
        a_machine(hosts[0], name)
    job, found = begin(ann, hosts[0])
    look(job)
    moves = children(job)
    Job.objects.filter(pk=moves[0].pk).update(state=State.RUNNING, claim="a worker's", heartbeat_at=timezone.now(), started_at=timezone.now())
    assert jobs.cancel(Job.objects.get(pk=job.pk), "ann")
    assert Job.objects.get(pk=moves[0].pk).cancel_asked_by == "ann"
    assert Job.objects.get(pk=moves[1].pk).state == State.CANCELLED
    finish(moves[0], State.CANCELLED)
    assert look(job).state == State.CANCELLED
    assert set(states(found).values()) == {"stopped"}
    assert Host.objects.get(pk=hosts[0].pk).in_maintenance, "that is a matter of its own"


def test_another_job_at_a_machine_is_waited_for_but_not_for_ever(hosts: list[Host], ann: User) -> None:
    machine = a_machine(hosts[0], "a")
    job, found = begin(ann, hosts[0])
    other = jobs.submit("machines.reboot", machine.subject, asked_by=ann)
    job = look(job)
    assert (job.state, states(found)["a"]) == (State.RUNNING, "waits")
    assert "ann is at it" in found.parts.get().words
    Round.objects.filter(pk=found.pk).update(created_at=timezone.now() - timedelta(hours=2))
    assert look(job).state == State.FAILED
    jobs.cancel(other, "ann")


@pytest.mark.parametrize("what", ["target in maintenance", "rights of the target gone", "rights of the machine gone", "moved elsewhere", "gone"])
def test_the_world_goes_on_while_it_waits(what: str, hosts: list[Host], ann: User) -> None:
    machine = a_machine(hosts[0], "a")
    bob = inventory.person("bob", role=Role.MANAGER, on=hosts[0])
    inventory.grant(bob, Role.MANAGER, hosts[1])
    job, found = begin(bob, hosts[0])
    if what == "target in maintenance":
        Host.objects.filter(pk=hosts[1].pk).update(maintenance_since=timezone.now())
    elif what == "moved elsewhere":
        Machine.objects.filter(pk=machine.pk).update(host=hosts[2])
        inventory.grant(bob, Role.MANAGER, hosts[2])
    elif what == "gone":
        Machine.objects.filter(pk=machine.pk).update(gone_at=timezone.now())
    else:
        Grant.objects.filter(user=bob, object_id=hosts[1 if "target" in what else 0].pk).delete()
    assert look(job).state == State.FAILED
    assert not children(job)
    assert states(found)["a"] == PartState.FAILED


def test_a_selection_goes_to_a_chosen_host(hosts: list[Host], ann: User, finish: Callable[..., None]) -> None:
    machines = [a_machine(hosts[0], "a"), a_machine(hosts[1], "b"), a_machine(hosts[2], "c")]
    found = actions.move_many(ann, machines, {machine.pk: Wish(target=hosts[2].pk) for machine in machines})
    assert states(found) == {"a": "waits", "b": "waits", "c": "left"}
    assert found.job is not None
    assert (found.job.subject_type, found.job.subject_name, found.job.host_id) == ("moves", "3 machines", hosts[2].pk)
    look(found.job)
    for each in children(found.job):
        finish(each)
    assert look(found.job).result == {"done": 2, "left": 1}
    with pytest.raises(Refused, match="None of them can be moved"):
        actions.move_many(ann, machines, {machine.pk: Wish(target=hosts[2].pk) for machine in machines})


def test_a_second_round_for_what_is_left_and_one_at_a_time(hosts: list[Host], ann: User, finish: Callable[..., None]) -> None:
    a_machine(hosts[0], "a")
    job, _ = begin(ann, hosts[0])
    with pytest.raises(Refused):
        actions.begin(ann, Host.objects.get(pk=hosts[0].pk), {})
    with pytest.raises(Refused, match="is not finished"):
        actions.end(ann, Host.objects.get(pk=hosts[0].pk), back=False)
    look(job)
    finish(children(job)[0])
    look(job)
    late = a_machine(hosts[0], "late")
    again, _ = begin(ann, Host.objects.get(pk=hosts[0].pk))
    look(again)
    finish(children(again)[0])
    look(again)
    coming = actions.homecoming(ann, Host.objects.get(pk=hosts[0].pk))
    assert [line.guest.name for line in coming.plan.moving] == ["a", late.name], "all that this maintenance put away"


def test_an_empty_host_needs_no_job(hosts: list[Host], ann: User) -> None:
    assert actions.begin(ann, hosts[0], {}) is None
    assert actions.end(ann, Host.objects.get(pk=hosts[0].pk), back=True) is None
    assert not Host.objects.get(pk=hosts[0].pk).in_maintenance
