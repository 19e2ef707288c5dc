"""Pages of snapshots: what is offered and why not, what a form makes of what was typed, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs.models import Job, State
from machines.models import Machine
from machines.snapshots import on_storage
from machines.snapshots.models import Kind, Snapshot

ASYNC = {"WV-Async": "1"}


def _take(client: Client, machine: Machine, **fields: Any) -> Any:
    usual = {"name": "before", "description": "", "what": "memory", "kind": "auto", "targets": ["vda", "vdb"]}
    return client.post(f"/machines/{machine.pk}/snapshots/new/", usual | fields, headers=ASYNC)


def _text(answer: Any) -> str:
    return str(answer.content.decode())


def test_what_was_chosen_is_what_is_asked_for(client: Client, machine: Machine) -> None:
    assert _take(client, machine).status_code == 204
    params = Job.objects.get().params
    assert params == {"name": "before", "description": "", "kind": "auto", "memory": True, "quiesce": False, "targets": []}
    assert _take(client, machine, name="other").status_code == 409  # somebody is at it
    Job.objects.update(state=State.DONE)
    Machine.objects.update(agent="answers")
    assert _take(client, machine, what="disks", quiesce="on", targets=["vdb"]).status_code == 204
    assert Job.objects.latest("pk").params | {"name": ""} == {
        "name": "", "description": "", "kind": "auto", "memory": False, "quiesce": True, "targets": ["vdb"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "a/b"}, "beginning with a letter or digit"),
        ({"targets": []}, "Choose at least one disk"),
        ({"kind": "internal", "targets": ["vda"]}, "holds all of them"),
        ({"kind": "internal", "what": "disks"}, "memory is always taken along"),
        ({"targets": ["sda"]}, "not one of the available choices"),
    ],
)
def test_what_makes_no_sense_is_said(client: Client, machine: Machine, fields: dict[str, Any], words: str) -> None:
    answer = _take(client, machine, **fields)
    assert answer.status_code == 400
    assert words in _text(answer)
    assert not Job.objects.exists()


def test_freezing_is_offered_when_the_agent_answers(client: Client, machine: Machine) -> None:
    assert "quiesce" not in _text(client.get(f"/machines/{machine.pk}/snapshots/new/"))
    Machine.objects.update(agent="answers")
    assert "quiesce" in _text(client.get(f"/machines/{machine.pk}/snapshots/new/"))


def test_why_nothing_can_be_done(client: Client, machine: Machine) -> None:
    Machine.objects.update(state="off", has_saved_image=True)
    page = _text(client.get(f"/machines/{machine.pk}/snapshots/"))
    assert "Its memory is saved" in page
    assert _take(client, machine, what="disks").status_code == 409


def test_storage_is_told_what_they_rest_on(machine: Machine) -> None:
    """A frozen file that only a snapshot names is in use, and so is its memory."""
    disks = [
        {"target": "vda", "kind": "external", "held": "/pool/a.qcow2"},
        {"target": "vdb", "kind": "external", "held": "imgs/b.qcow2"},
        {"target": "vdc", "kind": "no"},
    ]
    Snapshot.objects.create(machine=machine, name="s", memory_file="/pool/s.mem", disks=disks)
    told = [(use.path, use.pool, use.volume, use.kind, use.name) for use in on_storage.uses({machine.host_id}) if use.kind == "snapshot"]
    assert ("/pool/a.qcow2", "", "pool/a.qcow2", "snapshot", "db/s") in told
    assert ("imgs/b.qcow2", "imgs", "b.qcow2", "snapshot", "db/s") in told
    assert "/pool/s.mem" in [path for path, *_ in told]
    assert len(told) == 3


def test_hostile_words_and_many_snapshots(client: Client, machine: Machine) -> None:
    """Escaped; and a hundred take as many queries as one."""
    hostile = "<img src=x onerror=alert(1)>"
    Snapshot.objects.create(
        machine=machine, name=hostile, description=hostile, kind=Kind.EXTERNAL, current=True, disks=[{"target": "vda", "kind": "external", "held": hostile}]
    )
    url = f"/machines/{machine.pk}/snapshots/"
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        assert hostile not in _text(client.get(url))
    Snapshot.objects.bulk_create(Snapshot(machine=machine, name=f"s{number}", parent_name=hostile) for number in range(100))
    with CaptureQueriesContext(connection) as many:
        assert "101 snapshots" in _text(client.get(url))
    assert len(many) == len(few)
