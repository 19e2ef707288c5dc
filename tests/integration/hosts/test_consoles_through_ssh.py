"""A TLS or TCP host whose displays are reached through an SSH server: typed, checked, its key confirmed, never in the way of libvirt's own connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import Client

from accounts.models import AuditEntry
from hosts import actions, credentials, endpoints, keys
from hosts.actions import Actor
from hosts.models import Host, HostSecret, State
from jobs.models import Job
from tests.integration.hosts.conftest import KEY
from tests.integration.hosts.test_command import run
from tests.integration.hosts.test_connection_test import names, outcome_of, ssh_server
from tests.integration.hosts.test_forms import edited, errors, text_of
from tests.integration.hosts.test_forms import pem as pem
from virt import probe
from virt.probe import Step

NewHost = Callable[..., Host]

TCP = {"kind": "tcp", "name": "kvm-1", "address": "kvm-1.example.org"}
THROUGH = {**TCP, "console_way": "ssh", "key": "portal"}


def test_what_is_typed_becomes_the_way_to_its_displays(as_admin: Client) -> None:
    as_admin.post("/hosts/add/", {**THROUGH, "console_address": "[2001:db8::7]", "console_port": "2222", "console_login": "virt"})
    host = Host.objects.get()
    ssh = endpoints.ssh_endpoint_of(host)
    assert ssh is not None
    assert (ssh.label, endpoints.endpoint_of(host).label) == ("qemu+ssh://virt@[2001:db8::7]:2222/system", "qemu+tcp://kvm-1.example.org/system")
    assert "BEGIN OPENSSH PRIVATE KEY" in credentials.credentials_of(host).private_key, "WebVirt's own"
    assert AuditEntry.objects.get(action="hosts.added").detail["consoles through"] == "virt@[2001:db8::7]:2222"
    page = text_of(as_admin.get(f"/hosts/{host.pk}/test/"))
    assert "through SSH: <bdi>virt@[2001:db8::7]:2222</bdi>" in page
    assert "not confirmed yet" in page
    assert "authorized_keys" in page


def test_the_hosts_own_address_and_port_22_are_the_usual_ones(as_admin: Client) -> None:
    as_admin.post("/hosts/add/", {**THROUGH, "console_port": "22"})
    host = Host.objects.get()
    assert (host.console_port, endpoints.console_place(host)) == (None, "kvm-1.example.org")


def test_directly_nothing_of_ssh_is_looked_at(as_admin: Client) -> None:
    as_admin.post(
        "/hosts/add/", {**TCP, "console_way": "direct", "console_address": "-oProxyCommand=x", "console_port": "abc", "private_key": "rubbish", "key": "own"}
    )
    host = Host.objects.get()
    assert (host.console_way, host.console_address, endpoints.ssh_endpoint_of(host)) == ("direct", "", None)
    assert not host.secrets.exists()
    assert credentials.credentials_of(host).private_key == ""


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("console_address", "-oProxyCommand=x"),
        ("console_address", "a b"),
        ("console_port", "70000"),
        ("console_port", "x"),
        ("console_login", "-x"),
        ("console_way", "telnet"),
        ("private_key", "rubbish"),
        ("private_key", ""),
    ],
)
def test_what_is_wrong_stands_under_its_field(field: str, bad: str) -> None:
    assert list(errors(**{**THROUGH, "key": "own" if field == "private_key" else "portal", field: bad})) == [field]


def test_an_edit_of_it_leaves_the_host_followed_and_asks_for_a_test(as_admin: Client, new_host: NewHost, pem: dict[str, str]) -> None:
    host = new_host(kind="tcp", host_key="")
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(host, console_way="ssh", console_login="virt", key="own", private_key=pem["ssh"]))
    now = Host.objects.get()
    assert (now.state, now.enabled, now.console_login) == (State.CONNECTING, True, "virt")
    assert credentials.credentials_of(now).private_key == pem["ssh"]
    assert Job.objects.filter(kind="hosts.test", params__revision=2).exists()
    Host.objects.update(host_key=KEY, state=State.ONLINE)
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(Host.objects.get(), console_login="other"))
    now = Host.objects.get()
    assert (now.state, now.host_key, HostSecret.all_of(now)) == (State.ONLINE, KEY, {"private_key": pem["ssh"]})
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(now, console_way="direct"))
    now = Host.objects.get()
    assert (now.console_way, now.console_login, now.host_key, HostSecret.all_of(now)) == ("direct", "", "", {})


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """libvirt itself is; real ones are in tests/lab/consoles."""

    def steps(*_given: Any, **_more: Any) -> Iterator[Step]:
        yield Step("version", True, "libvirt 9.0.0")

    monkeypatch.setattr(probe, "test", steps)


def test_its_key_is_confirmed_and_a_changed_one_stops_no_more_than_consoles(new_host: NewHost, reached: None) -> None:
    with ssh_server() as server:
        host = new_host(kind="tcp", address="127.0.0.1", host_key="", console_way="ssh", console_port=server.port)
        test, said = outcome_of(host)
        assert (names(test)[-1], test.steps[-1]["state"], said) == (("ssh host key", False), "asks", "")
        now = Host.objects.get()
        assert (now.host_key_offered, now.state) == (server.line, State.ONLINE)
        now = actions.confirm_key(now, keys.fingerprint(server.line), Actor())
        assert now.state == State.ONLINE, "it is not connected anew for that"
        test, said = outcome_of(host)
        assert names(test)[-2:] == [("ssh host key", True), ("ssh login", False)]
        assert "does not accept the portal's SSH key" in said
        Host.objects.update(host_key=KEY)
        test, said = outcome_of(host)
        assert "another key than the confirmed" in said
        now = Host.objects.get()
        assert (now.state, now.host_key, now.host_key_offered) == (State.ONLINE, KEY, server.line)
        Host.objects.update(host_key=server.line)
        outcome_of(host)
        assert Host.objects.get().host_key_offered == "", "it shows the confirmed one again"


def test_from_the_command_line() -> None:
    out = run("add", "kvm-1", "qemu+tcp://kvm-1/system", "--consoles", "ssh://virt@jump:2222", "--host-key", KEY)
    host = Host.objects.get()
    assert (endpoints.console_place(host), host.host_key, host.enabled) == ("virt@jump:2222", KEY, True)
    assert "On the host, as virt" in out


@pytest.mark.parametrize(
    ("uri", "consoles", "said"),
    [
        ("qemu+ssh://h/system", "ssh://h", "for TLS and TCP hosts"),
        ("qemu+tcp://h/system", "h:22", "looks like ssh://"),
        ("qemu+tcp://h/system", "ssh://-oProxyCommand=x", "neither a host name nor an IP address"),
        ("qemu+tcp://h/system", "ssh://h/?command=x", "not taken from an address|one “/”|ends with"),
    ],
)
def test_what_the_command_line_refuses(uri: str, consoles: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("add", "a", uri, "--consoles", consoles)
    with pytest.raises(CommandError, match="not for a host of the kind tcp"):
        run("add", "a", "qemu+tcp://h/system", "--key-file", "/etc/hostname")
    assert not Host.objects.exists()


def test_a_way_that_there_is_not_is_said_on_the_page(as_admin: Client) -> None:
    page = text_of(as_admin.post("/hosts/add/", {**THROUGH, "console_way": "telnet"}))
    assert "telnet is not one of the available choices" in page
    assert not Host.objects.exists()
