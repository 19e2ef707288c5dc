"""The pages of networks: errors at their fields, what is refused and why, and nothing without its confirmation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from accounts import tokens
from accounts.roles import Role
from hosts.models import Host
from hosts.networks import inventory
from hosts.networks.models import Network
from jobs.models import Job
from live import metrics
from machines.models import State
from tests import inventory as rows
from tests.integration.networks.conftest import BACKEND, XML, seen
from virt.networks import LeaseSeen
from virt.xml.edit import network as editing
from virt.xml.edit.network import Edit

ASYNC = {"HTTP_WV_ASYNC": "1"}
NEW = {"name": "lab", "mode": "nat", "address4": "192.168.50.1/24", "ranges4": "192.168.50.2 - 192.168.50.254", "start": "on", "autostart": "on"}
NIC = {"mac": "52:54:00:00:00:01", "kind": "network", "source": "default", "model": "virtio", "link_up": True, "portgroup": ""}


def new_url(host: Host) -> str:
    return f"/networks/hosts/{host.pk}/new/"


def test_a_new_network_becomes_a_job(client: Client, host: Host) -> None:
    answer = client.post(new_url(host), {**NEW, "host_bridge": "of another mode"}, **ASYNC)
    assert answer.status_code == 204 and answer.headers["WV-Location"] == f"/networks/hosts/{host.pk}/"
    job = Job.objects.get()
    assert (job.kind, job.subject_type, job.subject_id) == ("hosts.networks.create_network", "host", host.pk)
    assert job.params["values"] == {"address4": NEW["address4"], "ranges4": NEW["ranges4"]}
    assert job.params["start"] and job.params["autostart"]


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"name": ""}, "name", "required"),
        ({"name": "a b"}, "name", "no spaces"),
        ({"name": "<script>"}, "name", "&lt;"),
        ({"name": "default"}, "name", "A network of this name is on the host."),
        ({"address4": "192.168.50.1"}, "address4", "with its prefix"),
        ({"address4": "192.168.122.77/28", "ranges4": ""}, "address4", "overlaps with the network default"),
        ({"address4": "192.168.0.1/16", "ranges4": ""}, "address4", "overlaps with the network default"),
        ({"ranges4": "192.168.51.2 - 192.168.51.9"}, "ranges4", "is not within 192.168.50.0/24"),
        ({"ranges4": "192.168.50.1 - 192.168.50.9"}, "ranges4", "the host itself"),
        ({"address6": "fd00::1/96", "ranges6": "fd00::10 - fd00::20"}, "address6", "prefix 64"),
        ({"bridge": "virbr0"}, "bridge", "The network default has this bridge."),
        ({"bridge": "x" * 16}, "bridge", "15 characters"),
        ({"mode": "bridge"}, "host_bridge", "This is needed."),
        ({"mode": "macvtap", "way": "bridge", "devices": "eth0; rm"}, "devices", "Letters, digits"),
        ({"mode": "openvswitch", "host_bridge": "ovs0", "vlan": "4096"}, "vlan", "0 to 4095"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
    client: Client, host: Host, network: Network, given: dict[str, str], field: str, words: str
) -> None:
    answer = client.post(new_url(host), {**NEW, **given}, **ASYNC)
    assert answer.status_code == 422
    html = answer.content.decode()
    errors = html.partition(f'id="id_{field}_error"')[2].partition("</ul>")[0]
    assert words in errors.replace("&#x27;", "'"), errors
    assert html.count('class="wv-errs"') == 1
    assert escape({**NEW, **given}["name"]) in html
    assert not Job.objects.exists()


def test_the_form_begins_with_a_network_that_is_free(client: Client, host: Host, network: Network) -> None:
    inventory.store(host.pk, (seen(), seen("lab", xml=XML.replace("default", "lab").replace("192.168.122.", "192.168.100."))))
    html = client.get(new_url(host)).content.decode()
    assert 'value="192.168.101.1/24"' in html and "192.168.101.2 - 192.168.101.254" in html


def test_settings_are_those_of_the_definition_and_only_what_differs_is_asked_for(client: Client, network: Network) -> None:
    page = client.get(f"/networks/{network.pk}/edit/").content.decode()
    assert 'value="192.168.122.1/24"' in page and "at restart" in page and "at once" in page
    assert 'value="bridge"' not in page  # a network with a bridge of libvirt's does not become one on the host's
    same = {"mode": "nat", "based_on": network.digest, "address4": "192.168.122.1/24", "ranges4": "192.168.122.100 - 192.168.122.200", "bridge": "virbr0"}
    unchanged = client.post(f"/networks/{network.pk}/edit/", same, **ASYNC)
    assert unchanged.status_code == 409 and "Nothing would change" in unchanged.content.decode()
    answer = client.post(f"/networks/{network.pk}/edit/", {**same, "domain": "lab.example"}, **ASYNC)
    assert answer.status_code == 204
    (edit,) = Job.objects.get().params["edits"]
    assert (edit["verb"], edit["what"], edit["values"]) == ("set", "nat", {"domain": "lab.example"})


def test_its_own_addresses_do_not_clash_with_themselves_but_others_do(client: Client, host: Host, network: Network) -> None:
    inventory.store(host.pk, (seen(), seen("lab", xml=XML.replace("default", "lab").replace("192.168.122.", "192.168.50.").replace("virbr0", "virbr1"))))
    form = {"mode": "nat", "based_on": network.digest, "address4": "192.168.122.1/24", "ranges4": "192.168.122.100 - 192.168.122.200", "bridge": "virbr0"}
    clash = client.post(f"/networks/{network.pk}/edit/", {**form, "address6": "fd00::1/64", "bridge": "virbr1"}, **ASYNC)
    assert clash.status_code == 422 and "The network lab has this bridge" in clash.content.decode()
    fixed = client.post(f"/networks/{network.pk}/edit/", {**form, "address4": "192.168.123.1/24", "ranges4": ""}, **ASYNC)
    assert fixed.status_code == 422 and "The fixed address 192.168.122.10 would be outside" in fixed.content.decode()
    assert client.post(f"/networks/{network.pk}/edit/", {**form, "address6": "fd00::1/64"}, **ASYNC).status_code == 204


@pytest.mark.parametrize("based_on", ["", "older"])
def test_a_stale_edit_is_refused(client: Client, network: Network, based_on: str) -> None:
    """Somebody changed it by virsh after the form was opened: the place of a part means another one now."""
    answer = client.post(f"/networks/{network.pk}/parts/fixed/0/remove/", {"based_on": based_on}, **ASYNC)
    assert answer.status_code == 409 and "was changed meanwhile" in answer.content.decode()
    fields = {"based_on": based_on or "x", "ip": "192.168.122.20", "mac": "52:54:00:00:00:20"}
    assert client.post(f"/networks/{network.pk}/parts/fixed/", fields, **ASYNC).status_code == 409
    assert not Job.objects.exists()


def test_fixed_addresses(client: Client, network: Network) -> None:
    url = f"/networks/{network.pk}/parts/fixed/"
    for given, field in (
        ({"ip": "192.168.122.10", "mac": "52:54:00:00:00:20"}, "ip"),
        ({"ip": "192.168.122.20", "mac": "52:54:00:00:00:01"}, "mac"),
        ({"ip": "192.168.122.1", "mac": "52:54:00:00:00:20"}, "ip"),
        ({"ip": "10.0.0.1", "mac": "52:54:00:00:00:20"}, "ip"),
        ({"ip": "192.168.122.20", "mac": "x"}, "mac"),
        ({"ip": "192.168.122.20", "mac": "52:54:00:00:00:20", "name": "a b"}, "name"),
    ):
        answer = client.post(url, {"based_on": network.digest, **given}, **ASYNC)
        assert answer.status_code == 422 and f'id="id_{field}_error"' in answer.content.decode(), given
    filled = client.get(url, {"ip": "192.168.122.150", "mac": "52:54:00:00:00:02", "name": "web"}).content.decode()
    assert 'value="192.168.122.150"' in filled and 'value="web"' in filled
    assert client.post(url, {"based_on": network.digest, "ip": "192.168.122.150", "mac": "52:54:00:00:00:02", "name": "web"}, **ASYNC).status_code == 204


def test_stopping_and_deleting_name_the_machines(client: Client, host: Host, network: Network) -> None:
    rows.machine(host, "db-1", nics=[NIC])
    rows.machine(host, "old-crm", state=State.OFF, nics=[{**NIC, "mac": "52:54:00:00:00:02"}])
    for deed in ("stop", "restart"):
        page = client.get(f"/networks/{network.pk}/{deed}/").content.decode()
        dialog = page.partition(f'id="network-{deed}"')[2].partition("</form>")[0]
        assert "db-1" in dialog and "old-crm" not in dialog
    page = client.get(f"/networks/{network.pk}/delete/").content.decode()
    assert "db-1 runs on it" in page and "old-crm" in page
    refused = client.post(f"/networks/{network.pk}/delete/", {"typed": "default"}, **ASYNC)
    assert refused.status_code == 409 and "db-1 runs on it" in refused.content.decode()
    Network.objects.update(active=False)
    assert client.post(f"/networks/{network.pk}/delete/", {"typed": "other"}, **ASYNC).status_code == 422
    assert not Job.objects.exists()
    assert client.post(f"/networks/{network.pk}/delete/", {"typed": "default"}, **ASYNC).status_code == 204


def test_a_bridge_of_the_host_stays_when_its_network_stops(client: Client, host: Host) -> None:
    inventory.store(host.pk, (seen("br", xml="<network><name>br</name><uuid>u-br</uuid><forward mode='bridge'/><bridge name='br0'/></network>"),))
    rows.machine(host, "db-1", nics=[{**NIC, "source": "br"}])
    page = client.get(f"/networks/{Network.objects.get().pk}/stop/").content.decode()
    assert "keep their link" in page and "loses its link" not in page


def test_the_page_tells_leases_machines_and_what_waits(client: Client, host: Host, network: Network) -> None:
    machine = rows.machine(host, "db-1", nics=[NIC])
    inventory.store_leases(
        host.pk,
        (
            LeaseSeen("u-default", NIC["mac"], "192.168.122.10", 24, "dbhost", "", 1_900_000_000),  # type: ignore[arg-type]
            LeaseSeen("u-default", "52:54:00:00:00:09", "192.168.122.9", 24, "<b>", "", 1_900_000_000),
        ),
    )
    inventory.store(host.pk, (seen(xml=editing.applied(XML, [Edit("set", "nat", values={"mtu": "9000"})]), live_xml=XML),))
    metrics.store().delete("wv:wishes")
    page = client.get(f"/networks/{network.pk}/").content.decode()
    leases = page.partition('id="network-leases"')[2]
    assert leases.index("192.168.122.9<") < leases.index("192.168.122.10<")
    assert f'href="/machines/{machine.pk}/"' in leases and "fixed" in leases and "&lt;b&gt;" in leases
    assert "They take effect when the network is started again" in page and "<b>MTU</b>" in page
    assert {bytes(wish).decode() for wish in metrics.store().smembers("wv:wishes")} == {f"{host.pk}:networks", f"{host.pk}:dhcp"}
    for piece in ("network-head", "network-body", "network-leases", "network-cards", "network-parts"):
        part = client.get(f"/networks/{network.pk}/", HTTP_WV_FRAGMENT=piece).content.decode()
        assert f'id="{piece}"' in part and "<html" not in part


def test_a_network_of_a_mode_that_we_do_not_make_is_shown_and_left_alone(client: Client, host: Host) -> None:
    xml = "<network><name>vfs</name><uuid>u-vfs</uuid><forward mode='hostdev' managed='yes'><pf dev='eth3'/></forward></network>"
    inventory.store(host.pk, (seen("vfs", xml=xml),))
    network = Network.objects.get()
    page = client.get(f"/networks/{network.pk}/").content.decode()
    assert "SR-IOV" in page and "eth3" in page
    assert client.get(f"/networks/{network.pk}/edit/").status_code == 404
    assert client.get(f"/networks/{network.pk}/parts/fixed/").status_code == 404


def test_lists_are_searched_and_paged_in_few_queries(client: Client, host: Host, django_assert_max_num_queries: Any) -> None:
    inventory.store(host.pk, tuple(seen(f"net-{number:02}") for number in range(60)))
    with django_assert_max_num_queries(20):  # the tabs of other rooms count too
        page = client.get(f"/networks/hosts/{host.pk}/").content.decode()
    assert page.count('class="c-mode"') == 51 and "Page 1 of 2" in page  # with the head
    assert client.get("/networks/", {"page": "2"}).content.decode().count('class="c-mode"') == 11
    for text, many in (("net-07", 1), ("192.168.122", 50), ("routed", 0), ("NAT", 50), ("kvm-07", 50), ("nowhere", 0)):
        found = client.get("/networks/", {"q": text}).content.decode()
        assert found.count('<td class="c-mode"') == many, text
    assert "No network fits" in found


def test_while_the_host_does_not_answer_nothing_can_be_asked(client: Client, host: Host, network: Network) -> None:
    Host.objects.update(state="offline")
    page = client.get(f"/networks/{network.pk}/").content.decode()
    assert "does not answer" in page
    assert client.post(f"/networks/{network.pk}/stop/", {}, **ASYNC).status_code == 409
    assert client.post(new_url(host), NEW, **ASYNC).status_code == 409
    assert not Job.objects.exists()


def test_who_may_only_look_sees_no_button(host: Host, network: Network) -> None:
    viewer = Client()
    viewer.force_login(rows.person("viewer", role=Role.VIEWER, on=host), backend=BACKEND)
    page = viewer.get(f"/networks/{network.pk}/").content.decode()
    assert "Delete…" not in page and "parts/fixed" not in page and "/edit/" not in page


# ── the API ──


def test_the_api_makes_and_changes_by_the_same_rules(host: Host, network: Network) -> None:
    client = Client(HTTP_AUTHORIZATION=f"Bearer {tokens.create(rows.person('robot', administrator=True), 'test')}")

    def ask(method: str, path: str, body: Any) -> Any:
        return client.generic(method, f"/api/v1{path}", json.dumps(body), content_type="application/json")

    clash = ask("POST", f"/hosts/{host.pk}/networks", {"name": "lab", "mode": "nat", "values": {"address4": "192.168.122.9/28"}})
    assert clash.status_code == 409 and "overlaps with the network default" in clash.json()["error"]
    nonsense = ask("POST", f"/hosts/{host.pk}/networks", {"name": "lab", "mode": "nat", "values": {"nonsense": "1"}})
    assert nonsense.status_code == 422
    for name in ("../x", "a\nb", "-rf", "x" * 201):
        assert ask("POST", f"/hosts/{host.pk}/networks", {"name": name, "mode": "isolated"}).status_code in (409, 422), name
    found = client.get(f"/api/v1/networks/{network.pk}").json()
    assert (found["mode"], found["addresses"][0]["network"]) == ("nat", "192.168.122.0/24")
    edit = {"verb": "add", "what": "name", "values": {"ip": "192.168.122.5", "names": "gw"}}
    assert ask("PATCH", f"/networks/{network.pk}", {"based_on": "older", "edits": [edit]}).status_code == 409
    assert ask("PATCH", f"/networks/{network.pk}", {"based_on": found["digest"], "edits": [{**edit, "what": "route"}]}).status_code == 422
    assert ask("PATCH", f"/networks/{network.pk}", {"based_on": found["digest"], "edits": [edit]}).status_code == 202
