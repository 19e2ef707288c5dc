"""The lab is what its words say: else the tests that stand on it prove nothing."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import libvirt
import pytest

from tests.lab.fleet import Fleet
from tests.lab.guests import Image, Recipe
from tests.lab.lab import Guest, Host, Lab
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def guest(lab: Lab, tiny_guest: Image) -> Guest:
    guest = lab["h1"].define(Recipe("lab-guest", image=tiny_guest), start=True)
    guest.wait_for_agent()
    return guest


def test_three_hosts_answer_by_socket_ssh_and_tls(lab: Lab) -> None:
    for host in lab.hosts:
        for uri in (host.uri, host.ssh_uri, host.tls_uri):
            assert _hostname(uri) == host.name


def test_hosts_are_distinct(lab: Lab) -> None:
    assert len({_host_uuid(host) for host in lab.hosts}) == 3
    assert len({host.ssh_endpoint.host_key for host in lab.hosts}) == 3


def test_hosts_reach_each_other(lab: Lab) -> None:
    assert lab["h1"].run("virsh", "-q", "-c", "qemu+ssh://root@h2/system", "hostname").strip() == "h2"
    assert lab["h1"].run("virsh", "-q", "-c", "qemu+tls://h3/system", "hostname").strip() == "h3"


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = [_daemons(host) for host in lab.hosts]
    lab.script("up", "3")
    assert [_daemons(host) for host in lab.hosts] == before


def test_guest_has_agent_and_lease(guest: Guest) -> None:
    network = '{"execute":"guest-network-get-interfaces"}'
    wait_until("the agent tells the leased address", lambda: "192.168.122." in guest.host.virsh("qemu-agent-command", guest.uuid, network))
    assert "192.168.122." in guest.host.virsh("domifaddr", guest.uuid, "--source", "lease")


def test_guest_obeys_the_power_button(guest: Guest) -> None:
    guest.host.virsh("shutdown", guest.uuid, "--mode", "acpi")
    guest.wait_for_state("shut off")


def test_deaf_guest_ignores_the_power_button(lab: Lab, tiny_guest: Image) -> None:
    guest = lab["h2"].define(Recipe("deaf-guest", image=tiny_guest, words="deaf"), start=True)
    guest.wait_for_agent()
    guest.host.virsh("shutdown", guest.uuid, "--mode", "acpi")
    time.sleep(3)
    assert guest.state == "running"


def test_killed_libvirtd_leaves_its_guests(lab: Lab) -> None:
    host = lab["h2"]
    guest = host.define(Recipe("survivor"), start=True)
    pid = guest.qemu_pid()
    host.kill_libvirtd()
    with pytest.raises(libvirt.libvirtError):
        libvirt.open(host.uri)
    host.start_libvirtd()
    assert guest.state == "running"
    assert guest.qemu_pid() == pid


def test_frozen_libvirtd_accepts_and_never_answers(lab: Lab) -> None:
    host = lab["h2"]
    host.freeze()
    assert _is_silent(host.uri)
    assert _hostname(lab["h1"].uri) == "h1"
    host.thaw()
    assert _hostname(host.uri) == "h2"


def test_unplugged_host_accepts_and_never_answers(lab: Lab) -> None:
    host = lab["h3"]
    host.unplug()
    assert _is_silent(host.ssh_uri)
    assert _is_silent(host.tls_uri)
    host.plug()
    assert _hostname(host.ssh_uri) == "h3"


def test_power_cut_ends_everything_and_keeps_definitions(lab: Lab) -> None:
    host = lab["h3"]
    guest = host.define(Recipe("unlucky"), start=True)
    host.power_cut()
    for uri in (host.uri, host.ssh_uri, host.tls_uri):
        with pytest.raises(libvirt.libvirtError):
            libvirt.open(uri)
    host.start()
    assert guest.state == "shut off"
    assert _hostname(host.ssh_uri) == "h3"


def test_other_host_key_is_refused_by_who_knows_the_first(lab: Lab) -> None:
    host = lab["h3"]
    first = host.ssh_endpoint.host_key
    host.show_host_key("other")
    assert host.ssh_endpoint.host_key != first
    with pytest.raises(libvirt.libvirtError, match="HOST IDENTIFICATION HAS CHANGED"):
        libvirt.open(host.ssh_uri)
    host.show_host_key("own")
    assert _hostname(host.ssh_uri) == "h3"


def test_slow_start_is_slow_and_counted(lab: Lab) -> None:
    host = lab["h2"]
    host.slow_starts(1.5)
    guest = host.define(Recipe("slow-one"))
    began = time.monotonic()
    guest.host.virsh("start", guest.uuid)
    assert time.monotonic() - began > 1.5
    assert host.starts("slow-one") == ["prepare", "started"]


def test_two_labs_side_by_side(lab: Lab) -> None:
    other = Lab.start(1)
    try:
        assert other.slot != lab.slot
        assert _host_uuid(other["h1"]) != _host_uuid(lab["h1"])
        other["h1"].define(Recipe("elsewhere"))
        assert "elsewhere" not in lab["h1"].virsh("list", "--all", "--name").split()
    finally:
        other.down()
    assert _hostname(lab["h1"].ssh_uri) == "h1"


def test_fleet_has_the_machines_that_were_asked_for(fleet: Callable[[int], Fleet]) -> None:
    few = fleet(3)
    few.populate(20, running=12)
    for host in few.hosts:
        with host.connection() as connection:
            assert connection.getHostname() == host.name
            assert len(connection.listAllDomains()) == 20
            assert len(connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING)) == 12
    few[1].freeze()
    assert _is_silent(few[1].uri)
    few[1].thaw()
    few[2].kill()
    with pytest.raises(libvirt.libvirtError):
        libvirt.open(few[2].uri)


def _hostname(uri: str) -> str:
    """By a process of its own, which a silent host can't take with it."""
    done = subprocess.run(["virsh", "-q", "-c", uri, "hostname"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _host_uuid(host: Host) -> str:
    with host.connection() as connection:
        return str(connection.getCapabilities().split("<uuid>")[1].split("</uuid>")[0])


def _is_silent(uri: str) -> bool:
    """Neither an answer nor a refusal within two seconds."""
    process = subprocess.Popen(["virsh", "-q", "-c", uri, "hostname"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        return True
    else:
        return False
    finally:
        process.kill()
        process.communicate()


def _daemons(host: Host) -> list[str]:
    """Name and process id of what makes a host a host."""
    return host.run("bash", "-c", "pgrep -l 'libvirtd|virtlogd'; cat /run/libvirtd.pid").split()
