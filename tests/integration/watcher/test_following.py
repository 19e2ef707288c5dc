"""What happens on a host is in the rows a moment later; what can't be seen is left as it was."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hosts.models import Host, HostEvent, State
from jobs.models import Job
from machines.models import Machine
from tests import inventory as rows
from tests.integration.watcher.conftest import Watching, add, add_socket, wait_for_state
from tests.lab.fleet import Fleet, FleetHost
from tests.waiting import wait_until

Watch = Callable[..., Watching]


def _xml(name: str, memory: int = 64) -> str:
    return f"<domain type='test'><name>{name}</name><memory unit='MiB'>{memory}</memory><os><type>hvm</type></os></domain>"


def _row(name: str, **fields: Any) -> Machine:
    """The row of that name, once it is so."""
    return wait_until(f"{name} is {fields}", lambda: Machine.objects.get(name=name, **fields), seconds=8, every=0.01)


def test_a_machine_s_whole_life_by_somebody_else(daemon: FleetHost, watch: Watch, facts: list[dict[str, Any]]) -> None:
    host = add(daemon)
    watch()
    wait_for_state(host, State.ONLINE)
    assert set(Machine.objects.values_list("name", "state")) == {(f"{daemon.name}-m000", "running"), (f"{daemon.name}-m001", "off")}
    with daemon.connection() as there:
        domain = there.defineXML(_xml("web"))
        machine = _row("web", state="off", persistent=True, host=host)
        domain.create()
        _row("web", state="running", started_at__isnull=False)
        domain.suspend()
        _row("web", state="paused")
        domain.resume()
        domain.destroy()
        _row("web", state="off", started_at=None)
        domain.rename("shop")
        assert _row("shop").pk == machine.pk
        there.defineXML(_xml("shop", 128).replace("<name>", f"<uuid>{machine.uuid}</uuid><name>"))
        _row("shop", memory_bytes=128 << 20)
        domain.undefine()
        _row("shop", gone_at__isnull=False)
    assert [event.words for event in machine.events.order_by("id")] == [
        "Defined", "Started", "Paused", "Resumed", "Forced off", "Renamed: web → shop", "Definition changed", "Removed from the host",
    ]  # fmt: skip
    assert {event.actor for event in machine.events.all()} == {"outside WebVirt"}
    assert machine.definitions.count() == 3
    told = [fact["what"] for fact in facts if f"machine:{machine.pk}" in fact.get("topics", ())]
    assert {"appeared", "state", "name", "definition", "gone"} <= set(told)


def test_a_transient_machine_comes_and_goes(daemon: FleetHost, watch: Watch) -> None:
    wait_for = add(daemon)
    watch()
    wait_for_state(wait_for, State.ONLINE)
    with daemon.connection() as there:
        domain = there.createXML(_xml("brief"))
        _row("brief", state="running", persistent=False)
        domain.destroy()
        machine = _row("brief", gone_at__isnull=False)
    assert [event.words for event in machine.events.order_by("id")] == ["Created, transient", "Started", "Forced off", "Gone: it was transient"]


def test_what_changed_while_nobody_looked_is_found(daemon: FleetHost, watch: Watch) -> None:
    host = add(daemon)
    first = watch("first")
    wait_for_state(host, State.ONLINE)
    first.stop()
    with daemon.connection() as there:
        there.lookupByName(f"{daemon.name}-m001").create()
        there.lookupByName(f"{daemon.name}-m000").destroy()
        there.lookupByName(f"{daemon.name}-m000").undefine()
    watch("second")
    machine = _row(f"{daemon.name}-m001", state="running", started_at=None)
    assert machine.events.order_by("-id")[0].words.startswith("Found running")
    _row(f"{daemon.name}-m000", gone_at__isnull=False)


def test_the_host_itself_is_described(daemon: FleetHost, watch: Watch) -> None:
    host = add(daemon)
    watch()
    wait_until("it is described", lambda: Host.objects.get(pk=host.pk).hypervisor, seconds=5)
    wait_until("its pools and networks are known", lambda: Host.objects.get(pk=host.pk).networks, seconds=5)
    row = Host.objects.get(pk=host.pk)
    assert (row.hypervisor, row.hostname, row.libvirt_version.count("."), row.cpus > 0) == ("TEST", daemon.name, 2, True)
    assert [pool["name"] for pool in row.pools] == ["default-pool"]
    with daemon.connection() as there:
        network = there.networkLookupByName("default")
        network.destroy()
        try:
            wait_until("the stopped network is seen", lambda: not Host.objects.get(pk=host.pk).networks[0]["active"], seconds=15)
        finally:
            network.create()


def test_autostart_has_no_event_but_our_job_is_followed_by_a_look(daemon: FleetHost, watch: Watch) -> None:
    host = add(daemon)
    watch()
    wait_for_state(host, State.ONLINE)
    machine = Machine.objects.get(name=f"{daemon.name}-m001")
    with daemon.connection() as there:
        there.lookupByUUIDString(machine.uuid).setAutostart(1)
    usual = {"subject_type": "machine", "subject_id": machine.pk, "subject_name": machine.name, "host_id": host.pk, "started_at": timezone.now()}
    job = Job.objects.create(kind="machines.set_autostart", state="done", finished_at=timezone.now(), asked_by_name="sonja", **usual)
    _row(machine.name, autostart=True)
    event = machine.events.order_by("-id")[0]
    assert (event.words, event.actor, event.job_id) == ("Autostart switched on", "sonja", job.pk)


def test_a_row_that_went_along_to_a_host_which_gave_the_machine_up_is_missed_and_taken_back(daemon: FleetHost, watch: Watch) -> None:
    """Nothing about the machine changed here meanwhile, and libvirt told of nothing: it is looked for once our job has ended."""
    host, other = add(daemon), rows.host("other", enabled=False)
    watch()
    wait_for_state(host, State.ONLINE)
    machine = Machine.objects.get(name=f"{daemon.name}-m001")
    Machine.objects.filter(pk=machine.pk).update(host=other, gone_at=timezone.now())
    usual = {"subject_type": "machine", "subject_id": machine.pk, "subject_name": machine.name, "host_id": host.pk, "started_at": timezone.now()}
    Job.objects.create(kind="machines.migration.move", state="failed", finished_at=timezone.now(), params={"target": other.pk}, **usual)
    wait_until("it is back", lambda: Machine.objects.get(uuid=machine.uuid).host_id == host.pk, seconds=8)
    assert (Machine.objects.get(uuid=machine.uuid).pk, Machine.objects.get(uuid=machine.uuid).gone_at) == (machine.pk, None)


def test_a_daemon_that_dies_leaves_its_machines_as_last_seen_and_is_met_again(daemons: Fleet, watch: Watch, facts: list[dict[str, Any]]) -> None:
    daemon = daemons[1]
    daemon.populate(2, running=1)
    host = add(daemon)
    watch()
    wait_for_state(host, State.ONLINE)
    before = list(Machine.objects.order_by("pk").values())
    facts.clear()
    daemon.kill()
    row = wait_for_state(host, State.OFFLINE, seconds=2)
    assert row.error and row.last_seen_at and (timezone.now() - row.last_seen_at).total_seconds() < 8
    assert list(Machine.objects.order_by("pk").values()) == before
    told = next(fact for fact in facts if fact.get("what") == "offline")
    assert {f"host:{host.pk}", "hosts", "machines", f"machine:{before[0]['id']}"} <= set(told["topics"])
    daemon.restart()
    wait_for_state(host, State.ONLINE, seconds=6)
    wait_until("the daemon's new machine is seen", lambda: Machine.objects.filter(name="test", gone_at=None).exists())
    assert list(HostEvent.objects.filter(host=host).order_by("id").values_list("kind", flat=True)) == ["connected", "lost", "connected"]


def test_a_frozen_daemon_is_noticed(daemons: Fleet, watch: Watch) -> None:
    daemon = daemons[1]
    host = add(daemon)
    watch()
    wait_for_state(host, State.ONLINE)
    daemon.freeze()
    try:
        wait_for_state(host, State.OFFLINE, seconds=9)
    finally:
        daemon.thaw()
    wait_for_state(host, State.ONLINE, seconds=8)


@pytest.fixture
def mute_socket(tmp_path: Path) -> Iterator[Path]:
    """Somebody listens and never says a word."""
    path = tmp_path / "mute"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        yield path


def test_hosts_that_never_answer_disturb_nobody(daemon: FleetHost, mute_socket: Path, watch: Watch) -> None:
    for number in range(8):
        add_socket(mute_socket, name=f"mute{number}")
    host = add(daemon)
    watching = watch()
    wait_for_state(host, State.ONLINE, seconds=6)
    with daemon.connection() as there:
        domain = there.lookupByName(f"{daemon.name}-m000")
        for _ in range(3):
            for act, state in ((domain.suspend, "paused"), (domain.resume, "running")):
                act()
                began = time.monotonic()
                _row(domain.name(), state=state)
                assert time.monotonic() - began < 2
    mute = wait_for_state(Host.objects.get(name="mute0"), State.OFFLINE, seconds=8)
    assert "answer" in mute.error
    began = time.monotonic()
    watching.stop()
    assert time.monotonic() - began < 4


# ── what a person does with hosts ──


def test_hosts_come_and_go_while_it_runs(daemon: FleetHost, watch: Watch) -> None:
    watching = watch()
    host = add(daemon)
    wait_for_state(host, State.ONLINE, seconds=6)
    Host.objects.filter(pk=host.pk).update(enabled=False, state=State.DISABLED, revision=F("revision") + 1)
    wait_until("it is left alone", lambda: not watching.supervisor.following, seconds=6)
    with daemon.connection() as there:
        there.lookupByName(f"{daemon.name}-m001").create()
    time.sleep(0.3)
    assert Machine.objects.get(name=f"{daemon.name}-m001").state == "off", "a disabled host's machines stay as last seen"
    assert Host.objects.get(pk=host.pk).state == State.DISABLED
    Host.objects.filter(pk=host.pk).update(enabled=True, state=State.CONNECTING, revision=F("revision") + 1)
    wait_for_state(host, State.ONLINE, seconds=6)
    _row(f"{daemon.name}-m001", state="running")
    with transaction.atomic():  # as hosts.actions.remove: what goes with it is looked up when nobody else writes
        host.delete()
    wait_until("it is forgotten", lambda: not watching.supervisor.following, seconds=6)


def test_another_name_keeps_the_connection_and_another_address_does_not(daemons: Fleet, daemon: FleetHost, watch: Watch) -> None:
    host = add(daemon)
    watch()
    wait_for_state(host, State.ONLINE)
    Host.objects.filter(pk=host.pk).update(name="renamed", revision=F("revision") + 1)
    time.sleep(1.5)
    with daemon.connection() as there:
        there.lookupByName(f"{daemon.name}-m001").create()
    _row(f"{daemon.name}-m001", state="running")
    assert HostEvent.objects.filter(host=host).count() == 1, "connected once"
    other = daemons[1]
    fields = {"path": str(other.directory / "libvirt-sock"), "state": State.CONNECTING, "hostname": ""}
    Host.objects.filter(pk=host.pk).update(**fields, revision=F("revision") + 1)
    wait_until("the other daemon is met", lambda: Host.objects.get(pk=host.pk).hostname == other.name, seconds=5)
    assert Host.objects.get(pk=host.pk).state == State.ONLINE


def test_an_address_that_is_none_is_refused_in_words_and_tried_again_after_an_edit(daemon: FleetHost, watch: Watch) -> None:
    host = add_socket(Path("relative"), name="odd")
    watch()
    row = wait_for_state(host, State.REFUSED, seconds=6)
    assert "path" in row.error
    Host.objects.filter(pk=host.pk).update(path=str(daemon.directory / "libvirt-sock"), state=State.CONNECTING, revision=F("revision") + 1)
    wait_for_state(host, State.ONLINE, seconds=6)
