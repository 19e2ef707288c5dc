"""Hosts and machines as in the tests of migration, and a worker that does nothing by itself: jobs end as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from hosts.models import Host
from jobs import run
from jobs.models import Job
from jobs.models import State as JobState
from jobs.submit import ended
from machines.migration.models import Way
from machines.models import Machine
from machines.models import State as MachineState
from tests import inventory
from tests.integration.migration.conftest import _database_and_redis, a_host, root_client, sign_in  # noqa: F401


@pytest.fixture
def hosts() -> list[Host]:
    found = [a_host(f"h{number}") for number in (1, 2, 3)]
    for host in found:
        Way.objects.create(host=host, libvirt_uri=f"qemu+tcp://{host.name}/system")
    return found


@pytest.fixture
def ann() -> User:
    return inventory.person("ann", administrator=True)


@pytest.fixture(autouse=True)
def quiet_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The ids of jobs handed to the broker, in order."""
    ids: list[int] = []
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda task, args, **options: ids.append(args[0]) if task == "jobs.run" else None)
    yield ids


@pytest.fixture
def finish() -> Callable[..., None]:
    """``finish(job)``: as the host would have it: the machine is where the job brings it, and the job has ended."""

    def end(job: Job, state: JobState = JobState.DONE, error: str = "") -> None:
        if state == JobState.DONE:
            changes: dict[str, Any] = {
                "machines.migration.move": {"host_id": job.params.get("target")},
                "machines.shutdown": {"state": MachineState.OFF},
                "machines.start": {"state": MachineState.RUNNING},
            }[job.kind]
            Machine.objects.filter(pk=job.subject_id).update(**changes)
        Job.objects.filter(pk=job.pk).update(state=state, finished_at=timezone.now(), error=error)
        ended(Job.objects.get(pk=job.pk), state, error)

    return end


def look(job: Job) -> Job:
    """A worker comes by the parent; how it stands then."""
    run.run(job.pk)
    return Job.objects.get(pk=job.pk)


def children(job: Job) -> list[Job]:
    return list(Job.objects.filter(parent=job).order_by("subject_name", "pk"))
