"""Seeing machines, and the verbs of their life, on a hypervisor in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from virt import machine
from virt.connection import Connection
from virt.errors import Busy, HostUnreachable, NotFound, VirtError, WrongState
from virt.machine import State
from virt.testing import FakeHost

Verb = Callable[[Connection, str], object]
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def test_list_all(host: FakeHost) -> None:
    on = host.add("on", State.RUNNING, autostart=True, reason=1)
    off = host.add("off", saved=True, reason=5)
    passing = host.add("passing", State.PAUSED, persistent=False, reason=5)
    seen = {each.uuid: each for each in machine.list_all(host.connect())}
    assert set(seen) == {on, off, passing}
    assert (seen[on].name, seen[on].state, seen[on].reason, seen[on].autostart) == ("on", State.RUNNING, "booted", True)
    assert (seen[off].state, seen[off].reason, seen[off].has_saved_image, seen[off].inactive_xml) == (State.OFF, "saved", True, "")
    assert (seen[passing].state, seen[passing].reason, seen[passing].persistent, seen[passing].inactive_xml) == (State.PAUSED, "io-error", False, "")
    assert seen[on].inactive_xml
    assert seen[on].definition.memory_bytes == 256 << 20


def test_a_host_of_a_hundred_machines_is_asked_for_lists_not_for_machines(host: FakeHost) -> None:
    for number in range(100):
        host.add(f"m{number}")
    machine.list_all(host.connect())
    assert host.calls == {"listAllDomains": 4, "getAllDomainStats": 1, "XMLDesc": 100}


def test_machine_that_goes_away_meanwhile_is_left_out(host: FakeHost) -> None:
    host.add("stays")
    host.add("goes")
    host.fail("XMLDesc", libvirt.VIR_ERR_NO_DOMAIN, "Domain not found")
    assert len(machine.list_all(host.connect())) == 1


def test_driver_without_bulk_states(host: FakeHost) -> None:
    host.add("on", State.RUNNING)
    host.fail("getAllDomainStats", libvirt.VIR_ERR_NO_SUPPORT, "this function is not supported")
    assert [each.state for each in machine.list_all(host.connect())] == [State.RUNNING]


def test_hash_changes_with_either_definition(host: FakeHost) -> None:
    uuid = host.add("on", State.RUNNING)
    connection = host.connect()
    first, again = machine.read(connection, uuid), machine.read(connection, uuid)
    host.machines[uuid].vcpus = 4
    changed = machine.read(connection, uuid)
    assert first and again and changed
    assert first.xml_hash == again.xml_hash != changed.xml_hash
    assert len(first.xml_hash) == 32


def test_read(host: FakeHost) -> None:
    uuid = host.add("on", State.RUNNING, autostart=True)
    seen = machine.read(host.connect(), uuid)
    assert seen == next(iter(machine.list_all(host.connect())))
    assert machine.read(host.connect(), NOBODY) is None


def test_glance(host: FakeHost) -> None:
    uuid = host.add("on", State.RUNNING, autostart=True)
    (seen,) = machine.glance(host.connect())
    assert (seen.uuid, seen.name, seen.state, seen.autostart, seen.persistent, seen.has_saved_image) == (uuid, "on", State.RUNNING, True, True, False)
    assert "XMLDesc" not in host.calls


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        (machine.start, State.OFF, State.RUNNING),
        (machine.shutdown, State.RUNNING, State.OFF),
        (machine.force_off, State.RUNNING, State.OFF),
        (machine.pause, State.RUNNING, State.PAUSED),
        (machine.resume, State.PAUSED, State.RUNNING),
        (machine.resume, State.SUSPENDED, State.RUNNING),
        (machine.save, State.RUNNING, State.OFF),
        (machine.reboot, State.RUNNING, State.RUNNING),
        (machine.reset, State.RUNNING, State.RUNNING),
        (machine.nmi, State.RUNNING, State.RUNNING),
    ],
)
class TestVerbs:
    def test_does_it(self, host: FakeHost, verb: Verb, before: State, after: State) -> None:
        uuid = host.add("m", before)
        verb(host.connect(), uuid)
        assert machine.state(host.connect(), uuid) == after

    def test_on_a_machine_that_is_gone(self, host: FakeHost, verb: Verb, before: State, after: State) -> None:
        with pytest.raises(NotFound):
            verb(host.connect(), NOBODY)

    def test_on_a_broken_link(self, host: FakeHost, verb: Verb, before: State, after: State) -> None:
        uuid = host.add("m", before)
        connection = host.connect()
        host.break_link()
        with pytest.raises(HostUnreachable):
            verb(connection, uuid)


@pytest.mark.parametrize("verb", [machine.shutdown, machine.force_off, machine.pause, machine.resume, machine.save, machine.reboot, machine.reset, machine.nmi])
def test_verbs_of_a_running_machine_refuse_another(host: FakeHost, verb: Verb) -> None:
    with pytest.raises(WrongState, match=r"^The machine is not running\.$"):
        verb(host.connect(), host.add("m"))


def test_start_paused(host: FakeHost) -> None:
    uuid = host.add("m")
    machine.start(host.connect(), uuid, paused=True)
    assert machine.state(host.connect(), uuid) == State.PAUSED


@pytest.mark.parametrize(
    ("call", "flag"),
    [
        (lambda connection, uuid: machine.start(connection, uuid, discard_saved=True), libvirt.VIR_DOMAIN_START_FORCE_BOOT),
        (lambda connection, uuid: machine.start(connection, uuid, paused=True), libvirt.VIR_DOMAIN_START_PAUSED),
        (machine.start, 0),
    ],
)
def test_flags_of_a_start(host: FakeHost, monkeypatch: pytest.MonkeyPatch, call: Verb, flag: int) -> None:
    given: list[int] = []
    monkeypatch.setattr("virt.testing._Domain.createWithFlags", lambda _self, flags=0: given.append(flags))
    call(host.connect(), host.add("m"))
    assert given == [flag]


@pytest.mark.parametrize(("graceful", "flag"), [(False, 0), (True, libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)])
def test_flags_of_pulling_the_plug(host: FakeHost, monkeypatch: pytest.MonkeyPatch, graceful: bool, flag: int) -> None:
    given: list[int] = []
    monkeypatch.setattr("virt.testing._Domain.destroyFlags", lambda _self, flags=0: given.append(flags))
    machine.force_off(host.connect(), host.add("m", State.RUNNING), graceful=graceful)
    assert given == [flag]


def test_restore_needs_a_saved_image(host: FakeHost) -> None:
    uuid = host.add("m")
    with pytest.raises(WrongState, match="no saved state"):
        machine.restore(host.connect(), uuid)
    assert machine.state(host.connect(), uuid) == State.OFF
    host.machines[uuid].saved = True
    machine.restore(host.connect(), uuid)
    assert machine.state(host.connect(), uuid) == State.RUNNING


def test_autostart(host: FakeHost) -> None:
    uuid = host.add("m")
    for on in (True, False):
        machine.set_autostart(host.connect(), uuid, on)
        assert host.machines[uuid].autostart is on


def test_undefine_tries_less_where_a_driver_knows_less(host: FakeHost) -> None:
    uuid = host.add("m")
    host.fail("undefineFlags", libvirt.VIR_ERR_INVALID_ARG, "unsupported flags (0x10)")
    machine.undefine(host.connect(), uuid)
    assert uuid not in host.machines


def test_undefine_that_is_refused_is_not_tried_again(host: FakeHost) -> None:
    uuid = host.add("m")
    host.fail("undefineFlags", libvirt.VIR_ERR_OPERATION_INVALID, "Requested operation is not valid: cannot undefine")
    with pytest.raises(WrongState):
        machine.undefine(host.connect(), uuid)
    assert uuid in host.machines


def test_lock_held_by_another(host: FakeHost) -> None:
    uuid = host.add("m", State.RUNNING)
    host.fail("suspend", libvirt.VIR_ERR_OPERATION_TIMEOUT, "Timed out during operation: cannot acquire state change lock")
    with pytest.raises(Busy) as raised:
        machine.pause(host.connect(), uuid)
    assert raised.value.retry


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (libvirt.VIR_DOMAIN_BLOCKED, State.RUNNING),
        (libvirt.VIR_DOMAIN_SHUTDOWN, State.SHUTTING_DOWN),
        (libvirt.VIR_DOMAIN_CRASHED, State.CRASHED),
        (libvirt.VIR_DOMAIN_PMSUSPENDED, State.SUSPENDED),
        (libvirt.VIR_DOMAIN_NOSTATE, State.UNKNOWN),
        (99, State.UNKNOWN),
    ],
)
def test_states(host: FakeHost, number: int, state: State) -> None:
    uuid = host.add("m")
    host.machines[uuid].state = number
    host.machines[uuid].reason = 1234
    assert machine.state(host.connect(), uuid) == state
    seen = machine.read(host.connect(), uuid)
    assert seen
    assert (seen.state, seen.reason) == (state, "")


def test_reasons_are_as_many_as_libvirt_has() -> None:
    for prefix, state in (("RUNNING", libvirt.VIR_DOMAIN_RUNNING), ("PAUSED", libvirt.VIR_DOMAIN_PAUSED), ("SHUTOFF", libvirt.VIR_DOMAIN_SHUTOFF)):
        known: dict[str, Any] = {name: value for name, value in vars(libvirt).items() if name.startswith(f"VIR_DOMAIN_{prefix}_")}
        assert len(machine._REASONS[state]) > max(known.values())


def test_every_refusal_is_ours(host: FakeHost) -> None:
    uuid = host.add("m", State.RUNNING)
    for code in (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_NO_SUPPORT, 4711):
        host.fail("reboot", code, "no")
        with pytest.raises(VirtError):
            machine.reboot(host.connect(), uuid)
