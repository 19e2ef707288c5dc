"""The gateway on libvirt's test driver: a host in this process, a new one for each test."""

from __future__ import annotations

import queue
import threading
import time
import uuid as uuids
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_until
from virt import connection, events, guest, machine, stats
from virt.connection import Connection
from virt.errors import Conflict, Invalid, NotFound, OperationFailed, Unsupported, WrongState
from virt.events import Event, Loop
from virt.machine import MachineSeen, State
from virt.uri import Endpoint

MACHINE = """<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><title>Title of {name}</title><memory unit='MiB'>512</memory><vcpu>2</vcpu>
<os><type arch='x86_64'>hvm</type></os><devices>
<disk type='file' device='disk'><source file='/guest/{name}'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='{network}'/></interface>
<graphics type='vnc' autoport='yes'/><serial type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
</devices></domain>"""

HOST = """<node><cpu><mhz>2000</mhz><model>x86_64</model><active>8</active><nodes>2</nodes><sockets>1</sockets><cores>2</cores><threads>2</threads></cpu>
<memory>16777216</memory>
<network><name>lan</name><forward mode='nat'/><bridge name='virbr7'/><ip address='192.168.7.1' netmask='255.255.255.0'/></network>
<pool type='dir'><name>images</name><target><path>/images</path></target></pool></node>"""


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[Connection]:
    """A test host described by a file is private to its connection."""
    Loop.start()
    (tmp_path / "host.xml").write_text(HOST)
    conn = connection.open(Endpoint("test", path=str(tmp_path / "host.xml")), keepalive=(5, 3))
    yield conn
    conn.close()


@pytest.fixture
def heard(conn: Connection) -> Iterator[queue.SimpleQueue[Event]]:
    heard: queue.SimpleQueue[Event] = queue.SimpleQueue()
    subscription = events.subscribe(conn, heard.put)
    yield heard
    subscription.close()


def test_the_host(conn: Connection) -> None:
    info = conn.info()
    assert (info.hypervisor, info.libvirt_version.count("."), info.cpus, info.memory_bytes, info.kvm) == ("TEST", 2, 8, 16 << 30, False)
    assert (info.host_uuid, info.numa_nodes, info.sockets, info.cores, info.threads) == ("", 2, 2, 2, 2)
    load = conn.load()
    assert load.cpu_total_ns and load.cpu_busy_ns
    assert load.memory_bytes is None
    assert conn.is_alive()


def test_pools_and_networks(conn: Connection) -> None:
    (pool,) = conn.pools()
    assert (pool.name, pool.kind, pool.active) == ("images", "dir", True)
    assert pool.capacity_bytes > 0
    (network,) = conn.networks()
    assert (network.name, network.active, network.forward, network.bridge) == ("lan", True, "nat", "virbr7")


def test_a_machines_whole_life(conn: Connection, heard: queue.SimpleQueue[Event]) -> None:
    uuid = _define(conn, "web1")
    assert _told(heard, uuid, "defined") == "added"
    machine.set_autostart(conn, uuid, True)
    assert _seen(conn, uuid).autostart
    for verb, state, event, detail in (
        (machine.start, State.RUNNING, "started", "booted"),
        (machine.pause, State.PAUSED, "paused", "by-request"),
        (machine.resume, State.RUNNING, "resumed", "unpaused"),
        (machine.save, State.OFF, "stopped", "saved"),
        (machine.restore, State.RUNNING, "started", "restored"),
        (machine.shutdown, State.OFF, "stopped", "shut-down"),
        (machine.start, State.RUNNING, "started", "booted"),
        (machine.force_off, State.OFF, "stopped", "destroyed"),
    ):
        verb(conn, uuid)
        said = _told(heard, uuid, event)
        assert said == detail or (verb is machine.restore and said == "booted")  # the test driver's word for it
        assert machine.state(conn, uuid) == state
        assert _seen(conn, uuid).has_saved_image == (verb is machine.save)
    machine.undefine(conn, uuid)
    assert _told(heard, uuid, "undefined") == "removed"
    assert machine.read(conn, uuid) is None


def test_refusals(conn: Connection) -> None:
    uuid = _define(conn, "web1")
    with pytest.raises(WrongState, match="not running"):
        machine.shutdown(conn, uuid)
    with pytest.raises(WrongState, match="no saved state"):
        machine.restore(conn, uuid)
    machine.start(conn, uuid)
    with pytest.raises(WrongState, match="running already"):
        machine.start(conn, uuid)
    with pytest.raises(NotFound):
        machine.start(conn, str(uuids.uuid4()))
    with pytest.raises(Invalid):
        machine.define(conn, "<domain>")
    with pytest.raises(Invalid):
        machine.define(conn, "<pool/>")
    with pytest.raises((Conflict, OperationFailed), match="exist"):
        _define(conn, "web1")


def test_start_paused_is_more_than_this_driver_can(conn: Connection) -> None:
    with pytest.raises(Unsupported):
        machine.start(conn, _define(conn, "web1"), paused=True)


def test_what_is_seen_of_a_machine(conn: Connection) -> None:
    uuid = _define(conn, "web1")
    machine.start(conn, uuid)
    seen = _seen(conn, uuid)
    assert seen == next(each for each in machine.list_all(conn) if each.uuid == uuid)
    assert (seen.name, seen.title, seen.state, seen.persistent) == ("web1", "Title of web1", State.RUNNING, True)
    assert "id=" in seen.live_xml.split("\n")[0]
    assert "id=" not in seen.inactive_xml.split("\n")[0]
    definition = seen.definition
    assert [disk.target for disk in definition.disks] == ["vda", "sda"]
    assert (definition.has_agent_channel, definition.memory_bytes, definition.vcpus) == (True, 512 << 20, 2)


def test_a_hundred_machines_are_seen_in_no_time(conn: Connection) -> None:
    for number in range(100):
        uuid = _define(conn, f"m{number}")
        if number % 2:
            machine.start(conn, uuid)
    machine.list_all(conn)
    began = time.perf_counter()
    seen = machine.list_all(conn)
    assert sum(len(each.definition.disks) for each in seen) == 200
    assert time.perf_counter() - began < 0.3
    began = time.perf_counter()
    samples = stats.sample(conn)
    assert time.perf_counter() - began < 0.05
    assert len(samples) == 50
    assert {(each.cpu_ns, each.vcpus, each.memory_bytes) for each in samples} == {(None, None, None)}


def test_screenshot(conn: Connection) -> None:
    uuid = _define(conn, "web1")
    machine.start(conn, uuid)
    mime, data = machine.screenshot(conn, uuid)
    assert mime == "image/png"
    assert data.startswith(b"\x89PNG")


def test_addresses(conn: Connection) -> None:
    uuid = _define(conn, "web1")
    assert guest.addresses(conn, uuid) == []
    machine.start(conn, uuid)
    assert [each.source for each in guest.addresses(conn, uuid)] == ["agent"]
    assert [each.source for each in guest.addresses(conn, uuid, agent=False)] == ["lease"]
    assert guest.guest(conn, uuid) is None


def test_addresses_from_a_network_that_is_gone(conn: Connection) -> None:
    uuid = _define(conn, "web1", network="gone")
    machine.start(conn, uuid)
    assert guest.addresses(conn, uuid) == []


def test_events_of_pools_and_networks(conn: Connection, heard: queue.SimpleQueue[Event]) -> None:
    conn.raw.networkLookupByName("lan").destroy()
    pool = conn.raw.storagePoolLookupByName("images")
    pool.refresh()
    pool.destroy()
    pool.create()
    told = [(each.kind, each.name, each.event) for each in (heard.get(timeout=5) for _ in range(4))]
    assert told == [("network", "lan", "stopped"), ("pool", "images", "refreshed"), ("pool", "images", "stopped"), ("pool", "images", "started")]


def test_after_closing(conn: Connection) -> None:
    conn.close()
    conn.close()
    assert not conn.is_alive()


def test_threads_share_a_connection(conn: Connection) -> None:
    uuids = [_define(conn, f"m{number}") for number in range(8)]
    failed: list[BaseException] = []

    def work(uuid: str) -> None:
        try:
            for _ in range(25):
                machine.start(conn, uuid)
                machine.list_all(conn)
                machine.force_off(conn, uuid)
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=work, args=(uuid,)) for uuid in uuids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {machine.state(conn, uuid) for uuid in uuids} == {State.OFF}


def test_the_loop_is_started_once() -> None:
    Loop.start()
    Loop.start()
    assert sum(thread.name == "libvirt-events" for thread in threading.enumerate()) == 1


def _define(conn: Connection, name: str, *, network: str = "lan") -> str:
    return machine.define(conn, MACHINE.format(name=name, uuid=uuids.uuid4(), network=network))


def _seen(conn: Connection, uuid: str) -> MachineSeen:
    seen = machine.read(conn, uuid)
    assert seen
    return seen


def _told(heard: queue.SimpleQueue[Event], uuid: str, event: str) -> str:
    """The detail of the next event, which must be this one."""
    got = wait_until(f"{event} is heard", lambda: heard.get(timeout=5))
    assert (got.kind, got.uuid, got.event) == ("domain", uuid, event)
    return got.detail
