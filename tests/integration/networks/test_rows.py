"""What a host shows of its networks and leases becomes rows: few writes for what changed, none for what did not."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hosts.models import Host
from hosts.networks import inventory, users
from hosts.networks.models import Lease, Network
from live import facts
from machines.models import State
from tests import inventory as rows
from tests.integration.networks.conftest import XML, seen
from virt.networks import LeaseSeen
from virt.xml.edit import network as editing
from virt.xml.edit.network import Edit


def lease(ip: str, **fields: Any) -> LeaseSeen:
    return LeaseSeen(
        **{"network": "u-default", "mac": "52:54:00:00:00:01", "ip": ip, "prefix": 24, "name": "", "client": "", "expires": 1_900_000_000, **fields}
    )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The topics of each fact."""
    sent: list[list[str]] = []
    monkeypatch.setattr(facts, "publish", lambda topics, *_a, **_k: sent.append(list(topics)))
    return sent


def test_rows_follow_the_host(host: Host, told: list[list[str]]) -> None:
    inventory.store(host.pk, (seen(), seen("lab", active=False, autostart=False, live_xml="")))
    default, lab = Network.objects.order_by("name")
    assert (default.mode, default.bridge, default.active, lab.active, lab.autostart) == ("nat", "virbr0", True, False, False)
    assert default.addresses == [{"family": 4, "address": "192.168.122.1", "prefix": 24, "network": "192.168.122.0/24", "dhcp": True}]
    assert told == [[f"network:{default.pk}", f"network:{lab.pk}", "networks", f"host:{host.pk}"]]

    told.clear()
    inventory.store(host.pk, (seen(autostart=False), seen("lab", active=False, autostart=False, live_xml="")))
    default.refresh_from_db()
    assert not default.autostart and told == [[f"network:{default.pk}", "networks", f"host:{host.pk}"]]

    inventory.store(host.pk, (seen(autostart=False),))
    lab.refresh_from_db()
    assert lab.gone_at is not None
    inventory.store(host.pk, (seen(autostart=False), seen("lab")))
    lab.refresh_from_db()
    assert lab.gone_at is None and lab.active and Network.objects.count() == 2


def test_nothing_is_written_while_nothing_changed(host: Host) -> None:
    many = tuple(seen(f"net-{number}") for number in range(50))
    leases = tuple(lease(f"192.168.122.{number}") for number in range(2, 250))
    inventory.store(host.pk, many)
    inventory.store_leases(host.pk, leases)
    with CaptureQueriesContext(connection) as queries:
        inventory.store(host.pk, many)
        inventory.store_leases(host.pk, leases)
    assert len(queries) == 2, [query["sql"][:80] for query in queries]


def test_what_waits_for_the_next_start_is_known(host: Host) -> None:
    """Of all that differs between the running and the stored one, only what a person can have meant."""
    filled = XML.replace("<forward mode='nat'/>", "<forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward>")
    inventory.store(host.pk, (seen(live_xml=filled),))
    assert not Network.objects.get().differs
    inventory.store(host.pk, (seen(xml=editing.applied(XML, [Edit("set", "nat", values={"mtu": "9000"})]), live_xml=filled),))
    row = Network.objects.get()
    assert row.differs and "9000" not in row.live_xml
    inventory.store(host.pk, (seen(live_xml=""),))
    assert not Network.objects.get().differs


def test_xml_that_can_t_be_read_keeps_nobody_else(host: Host) -> None:
    inventory.store(host.pk, (seen("bad", xml="<network><name>bad"), seen()))
    assert [row.name for row in Network.objects.all()] == ["default"]


def test_leases_come_are_renewed_and_go(host: Host, told: list[list[str]]) -> None:
    inventory.store_leases(host.pk, (lease("192.168.122.10"),))  # before the network itself is known
    assert told == [[]]
    inventory.store(host.pk, (seen(),))
    page = f"network:{Network.objects.get().pk}"
    first = Lease.objects.get()
    told.clear()
    inventory.store_leases(host.pk, (lease("192.168.122.10", expires=1_900_003_600, name="db"), lease("192.168.122.11", mac="52:54:00:00:00:02")))
    again = Lease.objects.get(ip="192.168.122.10")
    assert (again.pk, again.name, again.expires_at.timestamp()) == (first.pk, "db", 1_900_003_600)  # type: ignore[union-attr]
    inventory.store_leases(host.pk, (lease("192.168.122.11", mac="52:54:00:00:00:02"),))
    assert [row.ip for row in Lease.objects.all()] == ["192.168.122.11"]
    assert told == [[page], [page]]


def test_a_lease_without_an_end_or_from_nonsense(host: Host) -> None:
    inventory.store_leases(host.pk, (lease("192.168.122.10", expires=0), lease("192.168.122.11", expires=10**30), lease("fd00::1", mac="", client="0:1")))
    assert {row.expires_at for row in Lease.objects.filter(ip__startswith="192")} == {None}


def test_who_is_on_it(host: Host) -> None:
    inventory.store(host.pk, (seen(), seen("other")))
    nic = {"mac": "52:54:00:00:00:01", "kind": "network", "source": "default", "model": "virtio", "link_up": True, "portgroup": ""}
    rows.machine(host, "runs", nics=[nic], addresses=[{"ip": "192.168.122.10", "mac": nic["mac"]}, {"ip": "fe80::1", "mac": nic["mac"]}])
    rows.machine(host, "off", state=State.OFF, nics=[{**nic, "mac": "52:54:00:00:00:02"}])
    rows.machine(host, "by-bridge", nics=[{**nic, "kind": "bridge", "source": "virbr0", "mac": "52:54:00:00:00:03"}])
    rows.machine(host, "elsewhere", nics=[{**nic, "source": "other"}])
    rows.machine(rows.host("kvm-08"), "another-host", nics=[nic])
    cards = users.of(Network.objects.get(name="default"))
    assert [card.name for card in cards] == ["by-bridge", "runs", "off"]
    assert cards[1].addresses == ("192.168.122.10",)
    assert [card.name for card in users.machines(cards, active=False)] == ["off"]
