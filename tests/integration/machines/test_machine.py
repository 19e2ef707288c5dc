"""The pages of one machine: what they show to whom, in every state."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.roles import Role
from hosts.models import Host
from hosts.models import State as HostState
from jobs.models import Job
from jobs.models import State as JobState
from live import metrics
from live.metrics import Resolution
from machines import camera, screens
from machines.models import Definition, Event, Machine, MachineSample, State
from tests import inventory
from tests.integration.machines.conftest import client_of, queries, text_of
from virt.errors import HostSilent

GIB = 2**30
PNG = b"\x89PNG\r\n\x1a\n" + b"a picture"
PIECES = ("machine-head", "machine-screen", "machine-facts", "machine-load", "machine-devices", "machine-side")


@pytest.fixture
def machine() -> Machine:
    mac = "52:54:00:8a:1c:02"
    return inventory.machine(
        inventory.host("kvm-07"),
        "db-orders-02",
        uuid="6d1f0b8e-52c4-4d0e-9a55-0f6b1f0d2c11",
        started_at=timezone.now() - timedelta(days=212),
        vcpus=16,
        memory_bytes=64 * GIB,
        firmware="efi",
        machine_type="pc-q35-9.2",
        os_name="Debian GNU/Linux 12 (bookworm)",
        guest_hostname="db-orders-02.fra.example",
        agent="answers",
        addresses=[{"ip": "fd20:8::12", "prefix": 64, "mac": mac, "source": "agent"}, {"ip": "10.20.8.12", "prefix": 16, "mac": mac, "source": "agent"}],
        nics=[{"mac": mac, "kind": "network", "source": "prod-208", "model": "virtio", "target": "vnet41", "link_up": True}],
        disks=[
            {
                "target": "vda",
                "bus": "virtio",
                "device": "disk",
                "source": "nvme/root.qcow2",
                "pool": "nvme",
                "volume": "root.qcow2",
                "format": "qcow2",
                "readonly": False,
            },
            {
                "target": "vdb",
                "bus": "virtio",
                "device": "disk",
                "source": "/srv/images/data.raw",
                "pool": "",
                "volume": "",
                "format": "raw",
                "readonly": False,
            },
            {"target": "sda", "bus": "sata", "device": "cdrom", "source": "", "pool": "", "volume": "", "format": "raw", "readonly": True},
        ],
        notes="**Primary** of the orders cluster.",
    )


# ── overview ──


def test_overview_shows_what_is_known(as_admin: Client, machine: Machine) -> None:
    page = text_of(as_admin.get(f"/machines/{machine.pk}/"))
    for part in (
        "<bdi>db-orders-02</bdi>",
        "Running",
        "212 d",
        "10.20.8.12",
        "fd20:8::12",
        "Debian GNU/Linux 12 (bookworm)",
        "db-orders-02.fra.example",
        "agent answers",
        "16 vCPU, KVM",
        "64 GiB",
        "UEFI",
        "pc-q35-9.2",
        "6d1f0b8e",
        "nvme /</span>root.qcow2",
        "/srv/images/</span>data.raw",
        "CD drive, empty",
        "prod-208",
        "52:54:00:8a:1c:02",
        "<strong>Primary</strong>",
        f"/machines/{machine.pk}/screen/",
        "range=1h",
        'series="rd wr"',
    ):
        assert part in page, part


def test_each_piece_comes_alone_with_its_own_element(as_admin: Client, machine: Machine) -> None:
    for piece in PIECES:
        text = text_of(as_admin.get(f"/machines/{machine.pk}/", headers={"WV-Fragment": piece}))
        assert text.startswith(f'<wv-live id="{piece}"')
        assert "<html" not in text


def test_pages_cost_the_same_however_much_happened(as_admin: Client, machine: Machine) -> None:
    few = _cost(as_admin, machine)
    for number in range(60):
        Event.objects.create(machine=machine, kind="started", words=f"Started {number}")
        _job(machine, state=JobState.DONE)
        Definition.objects.create(machine=machine, digest=str(number), xml=f"<domain>{number}</domain>")
    many = _cost(as_admin, machine)
    # Session, person, machine with host; jobs, events; tags; what waits for the next boot; the guest's report; the tree's hosts and counts.
    # With a full page of jobs, one more for the job that is at it.
    # Rooms above add what their tabs' badges cost, one each; who was on its consoles; whether its uuid is on another host too.
    assert many == [count + 1 for count in few]
    assert max(few) <= 15


def _cost(client: Client, machine: Machine) -> list[int]:
    return [queries(client, f"/machines/{machine.pk}/"), queries(client, f"/machines/{machine.pk}/history/")]


# ── for whom ──


@pytest.mark.parametrize(
    ("role", "types", "acts"),
    [(Role.VIEWER, False, False), (Role.CONSOLE, True, False), (Role.OPERATOR, True, True), (Role.MANAGER, True, True)],
)
def test_roles_see_and_do_what_they_may(machine: Machine, role: Role, types: bool, acts: bool) -> None:
    client = client_of(inventory.person(role=role, on=machine))
    page = text_of(client.get(f"/machines/{machine.pk}/"))
    assert "<wv-screen" in page, "whoever sees it may watch it"
    assert ("i-terminal-2" in page) == types
    assert (f'action="/machines/{machine.pk}/power/"' in page) == acts
    assert (f'action="/machines/{machine.pk}/autostart/"' in page) == acts
    assert (f'href="/machines/{machine.pk}/notes/"' in page) == acts
    assert client.get(f"/machines/{machine.pk}/screen/").status_code == 204
    assert f'href="/hosts/{machine.host_id}/"' not in page, "who has a role on the machine alone sees its host as text"
    assert "kvm-07" in page


def test_foreign_machines_are_not_there(machine: Machine) -> None:
    other = inventory.machine(machine.host, "mine")
    client = client_of(inventory.person(role=Role.MANAGER, on=other))
    version = Definition.objects.create(machine=machine, digest="1", xml="<domain/>")
    for path in ("", "history/", f"definitions/{version.pk}/", "metrics/", "screen/", "power/", "notes/"):
        assert client.get(f"/machines/{machine.pk}/{path}").status_code == 404, path
        assert client.get(f"/machines/999999/{path}").status_code == 404, path
    for path in ("power/", "autostart/", "notes/"):
        assert client.post(f"/machines/{machine.pk}/{path}", {"action": "start", "on": "1"}).status_code == 404, path


def test_nobody_is_let_in_without_signing_in(machine: Machine) -> None:
    assert Client().get(f"/machines/{machine.pk}/").status_code == 302
    assert Client().get(f"/machines/{machine.pk}/", headers={"WV-Fragment": "machine-head"}).status_code == 401
    assert Client().post(f"/machines/{machine.pk}/power/", {"action": "force-off"}).status_code == 302
    assert not Job.objects.exists()


# ── states ──


@pytest.mark.parametrize(
    ("state", "primary"),
    [
        ("off", "start"),
        ("crashed", "start"),
        ("running", "shutdown"),
        ("paused", "resume"),
        ("suspended", "resume"),
        ("shutting_down", "force-off"),
        ("unknown", "start"),
    ],
)
def test_the_likely_verb_is_the_button_and_all_others_are_in_the_menu(as_admin: Client, machine: Machine, state: str, primary: str) -> None:
    Machine.objects.filter(pk=machine.pk).update(state=state)
    view = as_admin.get(f"/machines/{machine.pk}/").context["view"]
    assert view.primary.verb.name == primary
    assert len(view.menu) == 9
    for choice in view.menu:
        assert choice.why_not or state in choice.verb.allowed


def test_force_is_offered_once_the_gentle_way_was_tried(as_admin: Client, machine: Machine) -> None:
    def why_not() -> str:
        choices = as_admin.get(f"/machines/{machine.pk}/").context["view"].menu
        return str(next(choice.why_not for choice in choices if choice.verb.name == "force-off"))

    assert why_not().startswith("Shut it down first")
    job = _job(machine, kind="machines.shutdown", state=JobState.RUNNING)
    assert why_not() == ""
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED, finished_at=timezone.now())
    assert why_not() == ""
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED, finished_at=timezone.now() - timedelta(hours=2))
    assert why_not() != ""


def test_while_a_job_is_at_it_the_others_wait_but_force_goes_over_the_gentle_way(as_admin: Client, machine: Machine) -> None:
    job = _job(machine, kind="machines.shutdown", state=JobState.RUNNING)
    view = as_admin.get(f"/machines/{machine.pk}/").context["view"]
    why_not = {choice.verb.name: choice.why_not for choice in [view.primary, *view.menu]}
    assert why_not["shutdown"] == why_not["pause"] == "Shut down is under way."
    assert why_not["force-off"] == why_not["reset"] == ""
    assert why_not["start"] == "It is on already."
    Job.objects.filter(pk=job.pk).update(kind="machines.save")
    view = as_admin.get(f"/machines/{machine.pk}/").context["view"]
    assert all(choice.why_not for choice in [view.primary, *view.menu])


def test_reasons_stand_on_the_page(as_admin: Client, machine: Machine) -> None:
    page = text_of(as_admin.get(f"/machines/{machine.pk}/"))
    assert 'aria-disabled="true"' in page
    assert "It is not paused." in page
    assert " disabled>" not in page


def test_a_machine_of_a_silent_host_is_last_seen(as_admin: Client, machine: Machine) -> None:
    Host.objects.update(state=HostState.OFFLINE, last_seen_at=timezone.now() - timedelta(minutes=18))
    page = text_of(as_admin.get(f"/machines/{machine.pk}/"))
    assert "does not answer. Last seen" in page
    assert "18 min ago" in page
    assert "is-stale is-pill" in page
    assert 'state="off"' in page
    assert page.count("kvm-07 does not answer.") >= 10, "each verb says why not"


def test_a_machine_that_vanished_says_so_and_keeps_its_history(as_admin: Client, machine: Machine) -> None:
    Machine.objects.filter(pk=machine.pk).update(gone_at=timezone.now() - timedelta(hours=3), state=State.OFF)
    Event.objects.create(machine=machine, kind="gone", words="Undefined on its host")
    page = text_of(as_admin.get(f"/machines/{machine.pk}/"))
    assert "does not have this machine any more; it vanished" in page
    assert "3 h ago" in page
    assert "Undefined on its host" in page
    assert 'id="power"' not in page
    assert "Undefined on its host" in text_of(as_admin.get(f"/machines/{machine.pk}/history/"))


def test_the_running_job_is_on_the_page(as_admin: Client, machine: Machine) -> None:
    job = _job(machine, kind="machines.save", state=JobState.RUNNING, progress=62.0, phase="Saving memory to the host's disk")
    page = text_of(as_admin.get(f"/machines/{machine.pk}/", headers={"WV-Fragment": "machine-head"}))
    assert 'value="62"' in page
    assert "Saving memory to the host&#x27;s disk" in page
    assert f"/jobs/{job.pk}/" in page


# ── history and definitions ──


def test_history_is_one_line_of_time(as_admin: Client, machine: Machine) -> None:
    now = timezone.now()
    Event.objects.create(machine=machine, kind="started", words="Started", actor="virsh", at=now - timedelta(minutes=30))
    _job(
        machine,
        kind="machines.start",
        state=JobState.FAILED,
        error="It is on already.",
        finished_at=now - timedelta(minutes=20),
        created_at=now - timedelta(minutes=21),
    )
    Event.objects.create(machine=machine, kind="renamed", words="Renamed from <b>old</b>", at=now - timedelta(minutes=10))
    page = text_of(as_admin.get(f"/machines/{machine.pk}/history/")).partition("machine-history")[2]
    order = [page.index(words) for words in ("Renamed from &lt;b&gt;old", "Start: failed", "Started")]
    assert order == sorted(order)
    assert "It is on already." in page


def test_a_job_whose_effect_is_told_is_one_line(as_admin: Client, machine: Machine) -> None:
    job = _job(machine, kind="machines.start", state=JobState.DONE)
    Event.objects.create(machine=machine, kind="started", words="Started", actor="m.keller", job=job)
    page = text_of(as_admin.get(f"/machines/{machine.pk}/history/", headers={"WV-Fragment": "machine-history"}))
    assert "Start: done" not in page
    assert page.count(f"/jobs/{job.pk}/") == 1


def test_history_goes_back_in_pages(as_admin: Client, machine: Machine) -> None:
    now = timezone.now()
    for number in reversed(range(70)):
        Event.objects.create(machine=machine, kind="x", words=f"Event {number:02d}.", at=now - timedelta(minutes=number))
    first = as_admin.get(f"/machines/{machine.pk}/history/")
    assert "Event 49." in text_of(first)
    assert "Event 50." not in text_of(first)
    second = text_of(as_admin.get(f"/machines/{machine.pk}/history/", {"before": first.context["older"]}))
    assert "Event 50." in second
    assert "Event 69." in second
    assert as_admin.get(f"/machines/{machine.pk}/history/?before=yesterday").status_code == 200


def test_jobs_of_other_machines_are_not_in_it(as_admin: Client, machine: Machine) -> None:
    _job(inventory.machine(machine.host, "other"), kind="machines.reset", state=JobState.DONE)
    assert "Reset" not in text_of(as_admin.get(f"/machines/{machine.pk}/history/", headers={"WV-Fragment": "machine-history"}))


def test_definitions_are_compared_and_only_for_operators(machine: Machine) -> None:
    old = Definition.objects.create(machine=machine, digest="1", xml="<domain>\n<vcpu>16</vcpu>\n<secret/>\n</domain>")
    new = Definition.objects.create(machine=machine, digest="2", xml="<domain>\n<vcpu>24</vcpu>\n<secret/>\n</domain>")
    operator = client_of(inventory.person("operator", role=Role.OPERATOR))
    viewer = client_of(inventory.person("viewer", role=Role.CONSOLE))
    page = text_of(operator.get(f"/machines/{machine.pk}/definitions/{new.pk}/"))
    assert "<del>&lt;vcpu&gt;16" in page
    assert "<ins>&lt;vcpu&gt;24" in page
    assert "Definition of db-orders-02" in text_of(operator.get(f"/machines/{machine.pk}/definitions/{old.pk}/"))
    assert operator.get(f"/machines/{machine.pk}/definitions/{new.pk}/?with={old.pk}").status_code == 200
    assert operator.get(f"/machines/{machine.pk}/definitions/{new.pk}/?with=999").status_code == 404
    assert f"definitions/{new.pk}/" in text_of(operator.get(f"/machines/{machine.pk}/history/"))
    assert "definitions/" not in text_of(viewer.get(f"/machines/{machine.pk}/history/"))
    assert viewer.get(f"/machines/{machine.pk}/definitions/{new.pk}/").status_code == 403
    other = inventory.machine(machine.host, "other")
    assert operator.get(f"/machines/{other.pk}/definitions/{new.pk}/").status_code == 404


# ── numbers ──


def test_metrics_join_stored_and_recent_numbers(as_admin: Client, machine: Machine) -> None:
    now = time.time()
    for minute in range(50, 5, -1):
        MachineSample.objects.create(
            machine=machine,
            resolution=Resolution.MINUTE,
            at=timezone.now() - timedelta(minutes=minute),
            cpu_percent=10.0,
            memory_used=GIB,
            memory_total=64 * GIB,
        )
    for age in (20, 15, 10, 5):
        metrics.remember({"machine": {machine.pk: [int((now - age) * 1000), 71.4, 2 * GIB, 64 * GIB, 1.0, 2.0, 3.0, None]}})
    body = as_admin.get(f"/machines/{machine.pk}/metrics/?range=1h").json()
    assert body["at"] == sorted(body["at"])
    assert len(body["at"]) == len(body["cpu"]) == len(body["tx"]) == 49
    assert body["cpu"][0] == 10.0
    assert body["cpu"][-1] == 71.4
    assert body["mem_total"] == 64 * GIB
    assert body["tx"][-1] is None
    assert len(as_admin.get(f"/machines/{machine.pk}/metrics/?range=15m").json()["at"]) == 4
    assert as_admin.get(f"/machines/{machine.pk}/metrics/?range=never").status_code == 400


# ── the screen ──


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The messages that would go to a worker."""
    sent: list[Any] = []
    monkeypatch.setattr("machines.screens.current_app.send_task", lambda name, args, **options: sent.append((name, args, options)))
    return sent


def test_looking_at_the_screen_asks_for_one_picture_in_two_seconds(as_admin: Client, machine: Machine, asked: list[Any]) -> None:
    url = f"/machines/{machine.pk}/screen/"
    for _ in range(5):
        assert as_admin.get(url).status_code == 204
    [(name, args, options)] = asked
    assert (name, args) == ("machines.screen", [machine.pk])
    assert options["expires"] <= 5
    screens.keep(machine.pk, PNG)
    asked.clear()
    cache.delete(f"screen:asked:{machine.pk}")
    answer = as_admin.get(url)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, PNG, "image/png")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert asked == [], "the picture is fresh"
    assert as_admin.get(url, headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_nothing_is_asked_of_a_machine_that_is_off_or_out_of_reach(as_admin: Client, machine: Machine, asked: list[Any]) -> None:
    screens.keep(machine.pk, PNG)
    Machine.objects.filter(pk=machine.pk).update(state=State.OFF)
    assert as_admin.get(f"/machines/{machine.pk}/screen/").status_code == 204
    Machine.objects.filter(pk=machine.pk).update(state=State.RUNNING)
    Host.objects.update(state=HostState.OFFLINE)
    assert as_admin.get(f"/machines/{machine.pk}/screen/").status_code == 204
    assert asked == []


def test_a_worker_takes_one_picture_and_rests_after_a_failure(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def screenshot(connection: object, uuid: str) -> tuple[str, bytes]:
        taken.append(uuid)
        if len(taken) > 1:
            raise HostSilent("kvm-07 accepted and\nnever answered.")
        return "image/png", PNG

    monkeypatch.setattr(camera, "connection_to", lambda host: object())
    monkeypatch.setattr("machines.camera.virt_machine.screenshot", screenshot)
    camera.take(machine.pk)
    camera.take(machine.pk)
    assert taken == [machine.uuid], "one that is two seconds old at most is fresh enough"
    screens.forget(machine.pk)
    for _ in range(4):
        camera.take(machine.pk)
    assert len(taken) == 2, "a machine that can't be pictured is left alone for a while"
    client = client_of(inventory.person(role=Role.CONSOLE))
    assert client.get(f"/machines/{machine.pk}/screen/")["WV-Problem"] == "kvm-07 accepted and never answered."


@pytest.mark.parametrize("image", [b"<svg onload=alert(1)>", b"", PNG + b"x" * screens.LARGEST])
def test_what_is_no_picture_is_not_kept(machine: Machine, image: bytes) -> None:
    with pytest.raises(ValueError, match="no picture"):
        screens.keep(machine.pk, image)


def _job(machine: Machine, **fields: Any) -> Job:
    usual = {
        "kind": "machines.start",
        "subject_type": "machine",
        "subject_id": machine.pk,
        "subject_name": machine.name,
        "host_id": machine.host_id,
        "asked_by_name": "m.keller",
    }
    return Job.objects.create(**{**usual, **fields})
