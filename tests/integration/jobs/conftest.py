"""Jobs on a pretended host (fakes/operations.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import User
from jobs import kinds
from jobs.models import Job
from jobs.submit import Subject, submit
from tests.integration.jobs.fakes.kinds import FAKES, declare


@pytest.fixture(autouse=True)
def _kinds(redis: Any) -> Iterator[None]:
    before = dict(kinds._kinds)
    declare()
    cache.clear()
    yield
    kinds._kinds.clear()
    kinds._kinds.update(before)


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create(username="ann")


class Host:
    """The pretended host of a test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def touch(self, name: str) -> None:
        (self.directory / name).touch()

    def remove(self, name: str) -> None:
        (self.directory / name).unlink()

    def has(self, name: str) -> bool:
        return (self.directory / name).exists()

    def lines(self, name: str = "effects") -> list[str]:
        file = self.directory / name
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def ask(host: Host, ann: User) -> Callable[..., Job]:
    """`ask("plain")`: submit a job of that operation about machine 7 on host 3."""

    def ask(name: str, machine: int = 7, **params: Any) -> Job:
        return submit(f"{FAKES}.{name}", Subject("machine", machine, f"m{machine}", 3, "kvm-3"), asked_by=ann, params={"host": str(host.directory), **params})

    return ask


def fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)
