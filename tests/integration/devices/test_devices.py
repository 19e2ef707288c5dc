"""Devices as rows and on the page; and libvirt's own test driver as a host that has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import tokens
from accounts.models import User
from hosts.devices import inventory
from hosts.devices.models import Device
from hosts.models import Host
from machines.hardware.models import LiveDefinition
from machines.models import Definition
from tests.data import nodedev as recorded
from tests.integration.hosts.conftest import client_of
from tests.inventory import host, machine, person
from virt import connection as virt_connection
from virt import nodedev
from virt.uri import Endpoint

pytestmark = pytest.mark.django_db
_GIVEN = "<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x{bus}' slot='0x00' function='0x{function}'/></source></hostdev>"


@pytest.fixture
def client(redis: Path) -> Client:
    return client_of(person("root", administrator=True))


def test_libvirt_s_tree_becomes_devices(tmp_path: Path) -> None:
    """libvirt's own reader takes the recorded documents and writes them anew; its test driver alone leaves out drivers."""
    (tmp_path / "host.xml").write_text(recorded.for_test_driver())
    connected = virt_connection.open(Endpoint("test", path=str(tmp_path / "host.xml")))
    try:
        assert nodedev.list_all(connected) == tuple(replace(device, driver="") for device in recorded.server())
    finally:
        connected.close()


def test_rows_follow_the_host() -> None:
    on, seen = host(), recorded.server()
    inventory.store(on.pk, seen)
    assert Device.objects.filter(host=on).count() == len(seen)
    with CaptureQueriesContext(connection) as queries:
        inventory.store(on.pk, seen)
    assert len(queries) == 1, "nothing changed, nothing is written"
    card = Device.objects.get(address="0000:41:00.3")
    changed = tuple(replace(each, driver="vfio-pci", holds=()) if each.address == card.address else each for each in seen if each.address != "001:005")
    inventory.store(on.pk, changed)
    again = Device.objects.get(address=card.address)
    assert (again.pk, again.driver, again.holds) == (card.pk, "vfio-pci", [])
    assert not Device.objects.filter(address="001:005").exists()


def test_the_page_groups_filters_and_names_who_uses_what(client: Client) -> None:
    on = host()
    assert "No device known" in page(client, on)
    inventory.store(on.pk, recorded.server())
    named = machine(on, "db-1")
    Definition.objects.create(machine=named, digest="1", xml=f"<domain><devices>{_GIVEN.format(bus='41', function='1')}</devices></domain>")
    Definition.objects.create(machine=named, digest="2", xml=f"<domain><devices>{_GIVEN.format(bus='41', function='2')}</devices></domain>")
    plugged = machine(on, "hot-1")
    Definition.objects.create(machine=plugged, digest="3", xml="<domain/>")
    LiveDefinition.objects.create(
        machine=plugged,
        xml="<domain><devices><hostdev mode='subsystem' type='usb'><source><vendor id='0x1050'/><product id='0x0407'/></source></hostdev></devices></domain>",
    )
    whole = page(client, on)
    places = [whole.index(words) for words in ("IOMMU group 15", "group of its own", "group 58", "USB devices", "Mediated devices")]
    assert places == sorted(places)
    assert "only together" in whole and "GRID T4-4Q" in whole
    assert "pcieport" not in whole and "pcieport" in page(client, on, "?all=1")
    assert "3 bridges and hubs" in whole
    used = page(client, on, "?show=used")
    assert "db-1" in used and "hot-1" in used and "41:00.2" in used and "41:00.1" not in used, "the newest definition counts"
    assert "YubiKey" in used
    assert "Tesla" in page(client, on, "?show=mdev") and "Tesla" not in page(client, on, "?show=sriov")
    assert "ConnectX" in page(client, on, "?q=mlx5_core") and "No device fits" in page(client, on, "?q=nothing&show=<b>")


def test_the_api_tells_the_same(client: Client) -> None:
    on = host()
    inventory.store(on.pk, recorded.server())
    token = tokens.create(User.objects.get(username="root"), "t")
    answer = Client().get(f"/api/v1/hosts/{on.pk}/devices", headers={"Authorization": f"Bearer {token}"}).json()
    card = next(device for device in answer if device["address"] == "0000:41:00.0")
    assert (card["iommu_group"], card["verdict"], card["holds"]) == (58, "careful", ["enp65s0f0np0"])
    assert len(answer) == len(recorded.server()), "bridges and hubs too"


def test_without_an_iommu_it_says_so(client: Client) -> None:
    on = host()
    inventory.store(on.pk, [replace(each, iommu_group=None) for each in recorded.server()])
    assert "No IOMMU" in page(client, on)


def test_queries_do_not_grow(client: Client, django_assert_max_num_queries: Callable[[int], Any]) -> None:
    on = host()
    inventory.store(on.pk, recorded.server())
    client.get(f"/hosts/{on.pk}/devices/")
    with django_assert_max_num_queries(14):
        client.get(f"/hosts/{on.pk}/devices/")


def page(client: Client, on: Host, question: str = "") -> str:
    answer = client.get(f"/hosts/{on.pk}/devices/{question}")
    assert answer.status_code == 200
    return str(answer.content.decode()).partition("<main")[2]
