"""What the guest says of itself is taken as text of a stranger's; its silence is no error of ours."""

from __future__ import annotations

import libvirt
import pytest

from virt import guest
from virt.errors import GuestSilent, HostUnreachable, NotFound, WrongState
from virt.guest import Address, Guest
from virt.machine import State
from virt.testing import FakeHost

_AGENT, _LEASE = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE
_SAID = {
    "lo": {"hwaddr": "00:00:00:00:00:00", "addrs": [{"addr": "127.0.0.1", "prefix": 8}, {"addr": "::1", "prefix": 128}]},
    "eth0": {"hwaddr": "52:54:00:AA:BB:CC", "addrs": [{"addr": "fe80::1", "prefix": 64}, {"addr": "10.0.0.5", "prefix": 24}]},
    "evil": {"hwaddr": None, "addrs": [{"addr": "<script>", "prefix": 1}]},
    "down": {"hwaddr": "52:54:00:AA:BB:CD", "addrs": None},
}
_LEASED = {"vnet0": {"hwaddr": "52:54:00:aa:bb:cc", "addrs": [{"addr": "10.0.0.5", "prefix": 24}, {"addr": "10.0.0.9", "prefix": 24}]}}
_FIVE = Address("10.0.0.5", 24, "52:54:00:aa:bb:cc", "agent")
_NINE = Address("10.0.0.9", 24, "52:54:00:aa:bb:cc", "lease")
_LOCAL = Address("fe80::1", 64, "52:54:00:aa:bb:cc", "agent")


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def test_agent_first_then_leases_then_link_local(host: FakeHost) -> None:
    uuid = host.add("on", State.RUNNING, addresses={_AGENT: _SAID, _LEASE: _LEASED})
    assert guest.addresses(host.connect(), uuid) == [_FIVE, _NINE, _LOCAL]


def test_leases_alone(host: FakeHost) -> None:
    uuid = host.add("on", State.RUNNING, addresses={_AGENT: _SAID, _LEASE: _LEASED})
    assert [each.source for each in guest.addresses(host.connect(), uuid, agent=False)] == ["lease", "lease"]


def test_silent_guest_has_leases(host: FakeHost) -> None:
    uuid = host.add("on", State.RUNNING, addresses={_LEASE: _LEASED})
    assert [each.ip for each in guest.addresses(host.connect(), uuid)] == ["10.0.0.5", "10.0.0.9"]


def test_nobody_knows(host: FakeHost) -> None:
    connection = host.connect()
    assert guest.addresses(connection, host.add("on", State.RUNNING)) == []
    assert guest.addresses(connection, host.add("off")) == []
    with pytest.raises(NotFound):
        guest.addresses(connection, "nobody")


def test_a_broken_link_is_not_a_silent_guest(host: FakeHost) -> None:
    uuid = host.add("on", State.RUNNING)
    connection = host.connect()
    host.fail("interfaceAddresses", libvirt.VIR_ERR_INTERNAL_ERROR, "internal error: client socket is closed", domain=libvirt.VIR_FROM_RPC)
    with pytest.raises(HostUnreachable):
        guest.addresses(connection, uuid)


def test_what_it_says_of_itself(host: FakeHost) -> None:
    said = {"os.id": "debian", "os.pretty-name": "Debian " + "x" * 1000, "os.version-id": "12", "os.kernel-release": "6.1", "hostname": "web1"}
    found = guest.guest(host.connect(), host.add("on", State.RUNNING, guest=said))
    assert found == Guest(os_id="debian", os_name=("Debian " + "x" * 1000)[:200], os_version="12", kernel="6.1", hostname="web1", timezone="")


def test_says_nothing(host: FakeHost) -> None:
    assert guest.guest(host.connect(), host.add("on", State.RUNNING)) is None
    assert guest.guest(host.connect(), host.add("off")) is None


def test_asked_in_one_go(host: FakeHost) -> None:
    uuid = host.add("on", State.RUNNING, addresses={_AGENT: _SAID}, guest={"hostname": "web1"})
    told = guest.ask(host.connect(), uuid, about_itself=True)
    assert told.addresses == (_FIVE, _LOCAL)
    assert told.guest and told.guest.hostname == "web1"
    assert guest.ask(host.connect(), uuid, about_itself=False).guest is None


def test_asked_without_an_answer(host: FakeHost) -> None:
    with pytest.raises(GuestSilent):
        guest.ask(host.connect(), host.add("on", State.RUNNING), about_itself=True)
    with pytest.raises(WrongState):
        guest.ask(host.connect(), host.add("off"), about_itself=True)
