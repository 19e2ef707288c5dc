"""The pages of hosts: what they show to whom, and how many queries that takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from hosts import log
from hosts.models import Host
from live import metrics
from tests.integration.hosts.conftest import add_machines, client_of, person

NewHost = Callable[..., Host]


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def queries(client: Client, url: str, **headers: str) -> int:
    client.get(url, headers=headers)  # what is cached after the first time
    with CaptureQueriesContext(connection) as seen:
        assert client.get(url, headers=headers).status_code == 200
    return len(seen)


# ── the list ──


def test_list_shows_state_versions_levels_and_machines(as_admin: Client, new_host: NewHost) -> None:
    pool = {
        "name": "default",
        "kind": "dir",
        "active": True,
        "autostart": True,
        "capacity_bytes": 100 * 2**30,
        "allocation_bytes": 2**30,
        "available_bytes": 75 * 2**30,
    }
    host = new_host(
        "kvm-1",
        memory_bytes=16 * 2**30,
        memory_used_bytes=4 * 2**30,
        cpu_percent=41.0,
        hypervisor="QEMU",
        hypervisor_version="7.2.22",
        kvm=True,
        pools=[pool, {**pool, "name": "iso"}],
    )
    add_machines(host, 3)
    add_machines(new_host("kvm-2", state="offline", error="The host did not answer in time."), 0)
    page = text_of(as_admin.get("/hosts/"))
    assert ">9.0.0<" in page and "QEMU 7.2.22" in page
    assert "25<" in page and "/ 100 GiB" in page, "two pools on one file system are counted once"
    assert "The host did not answer in time." in page
    assert 'data-topic="host:' in page


def test_list_searches_filters_and_sorts_by_the_address(as_admin: Client, new_host: NewHost) -> None:
    new_host("beta", address="beta.example", cpu_percent=10, libvirt_version="10.0.0")
    new_host("alpha", address="alpha.example", cpu_percent=80)
    new_host("gamma", state="offline", cpu_percent=None)
    assert names(as_admin, "?sort=name") == ["alpha", "beta", "gamma"]
    assert names(as_admin, "?sort=-name") == ["gamma", "beta", "alpha"]
    assert names(as_admin, "?sort=-cpu") == ["alpha", "beta", "gamma"]
    assert names(as_admin, "?sort=cpu") == ["beta", "alpha", "gamma"], "what is unknown goes last either way"
    assert names(as_admin, "?sort=version") == ["alpha", "gamma", "beta"], "9 before 10"
    assert names(as_admin, "?state=down") == ["gamma"]
    assert names(as_admin, "?q=ALPHA.ex") == ["alpha"]
    assert names(as_admin, "?q=alpha&state=down") == []
    assert names(as_admin, "?sort=nonsense&page=x&state=<b>&view=cards") == ["alpha", "beta", "gamma"]


def test_list_pages_after_a_hundred(as_admin: Client, new_host: NewHost) -> None:
    Host.objects.bulk_create([Host(name=f"kvm-{number:03d}", kind="ssh", address=f"h{number}") for number in range(130)])
    assert len(names(as_admin, "")) == 100
    assert names(as_admin, "?page=2")[0] == "kvm-100"
    assert len(names(as_admin, "?page=999")) == 30


def test_list_takes_the_same_queries_for_any_number_of_hosts(as_admin: Client, new_host: NewHost) -> None:
    add_machines(new_host(), 5)
    few = queries(as_admin, "/hosts/")
    for _ in range(20):
        add_machines(new_host(), 5)
    assert queries(as_admin, "/hosts/") == few <= 7
    assert queries(as_admin, "/hosts/", **{"WV-Fragment": "hosts"}) <= 5
    assert queries(as_admin, f"/hosts/rows/?view=cards&sort=-cpu&ids={','.join(map(str, Host.objects.values_list('pk', flat=True)))}") <= 4


def test_rows_are_those_that_may_be_seen(new_host: NewHost) -> None:
    mine, other = new_host("mine"), new_host("other")
    page = text_of(client_of(person("ann", Role.VIEWER, mine)).get(f"/hosts/rows/?ids={mine.pk},{other.pk},999,x"))
    assert f'id="h{mine.pk}"' in page
    assert "other" not in page


def test_a_person_without_rights_sees_no_host(new_host: NewHost) -> None:
    host = new_host("secret-host")
    client = client_of(person("nobody"))
    assert "secret-host" not in text_of(client.get("/hosts/"))
    for path in ("", "tree/", "log/", "metrics/", "test/", "edit/", "remove/", "key/"):
        assert client.get(f"/hosts/{host.pk}/{path}").status_code == 404, path
    for path in ("test/", "key/", "enable/", "disable/", "remove/", "edit/", "try-it/"):
        assert client.post(f"/hosts/{host.pk}/{path}").status_code == 404, path


def test_what_each_role_may(new_host: NewHost) -> None:
    host = new_host()
    viewer, manager = client_of(person("vera", Role.OPERATOR, host)), client_of(person("mia", Role.MANAGER, host))
    for path in ("test/", "enable/", "disable/", "try-it/"):
        assert viewer.post(f"/hosts/{host.pk}/{path}").status_code == 403, path
    for path in ("edit/", "key/", "remove/"):
        assert manager.post(f"/hosts/{host.pk}/{path}").status_code == 403, path
    assert manager.get("/hosts/add/").status_code == 403
    assert manager.post(f"/hosts/{host.pk}/test/").status_code == 302


# ── one host ──


def test_overview_shows_what_was_seen(as_admin: Client, new_host: NewHost) -> None:
    network = {"name": "default", "uuid": "u", "active": True, "autostart": True, "forward": "nat", "bridge": "virbr0"}
    host = new_host(
        "kvm-7",
        cpu_model="EPYC 9254",
        cpus=96,
        cpu_sockets=2,
        memory_bytes=768 * 2**30,
        numa_nodes=2,
        hypervisor="QEMU",
        networks=[network],
        notes="rack b4\n<script>",
    )
    add_machines(host, 12, vcpus=2, memory_bytes=2**30, cpu_percent=3.0)
    log.write(host, "lost", "The connection to the host broke.")
    page = text_of(as_admin.get(f"/hosts/{host.pk}/"))
    for shown in ("2 × EPYC 9254", "96 threads", "2 NUMA nodes", "24 vCPUs", "virbr0", "The connection to the host broke.", "SHA256:", "All 12"):
        assert shown in page, shown
    assert "<script>" not in page.split("rack b4")[1]


def test_overview_takes_the_same_queries_for_any_number_of_machines(as_admin: Client, new_host: NewHost) -> None:
    host = new_host()
    add_machines(host, 1)
    few = queries(as_admin, f"/hosts/{host.pk}/")
    add_machines(new_host(), 50)
    Host.objects.get(pk=host.pk).machines.all().delete()
    add_machines(host, 300)
    for number in range(40):
        log.write(host, "connected", f"line {number}")
    assert queries(as_admin, f"/hosts/{host.pk}/") <= few <= 15
    assert queries(as_admin, f"/hosts/{host.pk}/", **{"WV-Fragment": "host-body"}) <= 12


def test_a_piece_is_the_element_alone(as_admin: Client, new_host: NewHost) -> None:
    host = new_host()
    for url, piece in (
        (f"/hosts/{host.pk}/", "host-head"),
        (f"/hosts/{host.pk}/", "host-body"),
        (f"/hosts/{host.pk}/test/", "connection"),
        ("/hosts/", "hosts"),
        (f"/hosts/{host.pk}/log/", "host-log"),
    ):
        answer = as_admin.get(url, headers={"WV-Fragment": piece})
        assert f'id="{piece}"' in text_of(answer)[:200], piece
        assert "<html" not in text_of(answer)
        assert "WV-Fragment" in answer.headers["Vary"]


def test_tree_branch_is_capped(as_admin: Client, new_host: NewHost) -> None:
    host = new_host("kvm 1")
    add_machines(host, 60)
    page = text_of(as_admin.get(f"/hosts/{host.pk}/tree/"))
    assert page.count('id="tm') == 50
    assert "10 more" in page
    assert queries(as_admin, f"/hosts/{host.pk}/tree/") <= 5


def test_branch_shows_only_machines_that_may_be_seen(new_host: NewHost) -> None:
    host = new_host()
    add_machines(host, 3)
    gone = host.machines.first()
    assert gone is not None
    host.machines.filter(pk=gone.pk).update(gone_at="2026-01-01T00:00Z")
    page = text_of(client_of(person("ann", Role.VIEWER, host)).get(f"/hosts/{host.pk}/tree/"))
    assert page.count('id="tm') == 2


def test_whole_tree(as_admin: Client, new_host: NewHost) -> None:
    add_machines(new_host("kvm-1"), 4)
    new_host("kvm-2", state="offline", last_seen_at="2026-01-01T14:02Z")
    page = text_of(as_admin.get("/hosts/tree/"))
    assert "kvm-1" in page and ">4<" in page
    assert ">14:02<" in page
    assert queries(as_admin, "/hosts/tree/") <= 4


def test_numbers_come_from_redis_and_rows(as_admin: Client, new_host: NewHost) -> None:
    host = new_host(memory_bytes=1000)
    now = time.time()
    metrics.remember({"host": {host.pk: [(now - 5) * 1000, 40.0, 500, 1000]}})
    metrics.remember({"host": {host.pk: [now * 1000, 42.0, 510, 1000]}})
    body = as_admin.get(f"/hosts/{host.pk}/metrics/?range=1h").json()
    assert body["cpu"] == [40.0, 42.0]
    assert body["mem"] == [500, 510]
    assert body["rd"] == [None, None]
    assert body["mem_total"] == 1000
    assert as_admin.get(f"/hosts/{host.pk}/metrics/?range=<x>").status_code == 200


def names(client: Client, query: str) -> list[str]:
    """Names of the rows, in order."""

    class Rows(HTMLParser):
        found: list[str] = []
        inside = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.inside = tag == "a" and dict(attrs).get("class") == "wv-ell"

        def handle_data(self, data: str) -> None:
            if self.inside:
                self.found.append(data)

    rows = Rows()
    rows.found = []
    rows.feed(text_of(client.get(f"/hosts/{query}", headers={"WV-Fragment": "hosts"})))
    return rows.found


@pytest.mark.parametrize("path", ["", "add/"])
def test_signed_out_people_are_sent_to_sign_in(path: str, admin: User) -> None:
    assert Client().get(f"/hosts/{path}").status_code == 302
