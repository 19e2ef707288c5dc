"""`manage.py hosts`: adding, listing."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from hosts import credentials
from hosts.models import Host, State
from tests.integration.hosts.conftest import KEY


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("hosts", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("uri", ["qemu:///system", "test+unix:///default?socket=/tmp/x", "qemu+tcp://h/system"])
def test_hosts_without_a_host_key_are_followed_at_once(uri: str) -> None:
    assert "kvm-1 added" in run("add", "kvm-1", uri)
    host = Host.objects.get()
    assert (host.enabled, host.state) == (True, State.CONNECTING)
    assert host.events.get().actor == "command line"
    assert AuditEntry.objects.get().action == "hosts.added"


def test_ssh_host_with_a_key_that_is_known() -> None:
    out = run("add", "kvm-1", "qemu+ssh://root@h:2222/system", "--host-key", f"{KEY} root@h")
    host = Host.objects.get()
    assert (host.host_key, host.enabled) == (KEY, True)
    assert "authorized_keys" in out


def test_ssh_host_whose_key_waits_to_be_confirmed() -> None:
    assert "not confirmed" in run("add", "kvm-1", "qemu+ssh://h/system")
    assert (Host.objects.get().enabled, Host.objects.get().state) == (False, State.NEW)


def test_key_file(tmp_path: Path) -> None:
    file = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    assert "authorized_keys" not in run("add", "kvm-1", "qemu+ssh://h/system", "--key-file", str(file))
    assert credentials.credentials_of(Host.objects.get()).private_key == file.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a", "qemu+ssh://h/system?command=/bin/sh"), "not taken from an address"),
        (("a", "qemu+ssh://h/system?no_verify=1"), "not taken from an address"),
        (("a", "qemu+ssh://-oProxyCommand=x/system"), "neither a host name nor an IP address"),
        (("a", "esx://h"), "Only QEMU/KVM hosts"),
        (("a<b", "qemu:///system"), "“<”"),
        (("a", "qemu:///system", "--host-key", KEY), "Only hosts reached over SSH"),
        (("a", "qemu+ssh://h/system", "--host-key", "ssh-ed25519 rubbish"), "damaged"),
        (("a", "qemu:///system", "--key-file", "/etc/hostname"), "not for a host of the kind local"),
        (("a", "qemu+ssh://h/system", "--key-file", "/etc/hostname"), "no private key"),
        (("a", "qemu+ssh://h/system", "--key-file", "/nonexistent"), "can't be read"),
        (("a", "qemu+tls://h/system"), "needs --ca-cert"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("add", *arguments)
    assert not Host.objects.exists()


def test_list_for_people_and_for_programs(new_host: Callable[..., Host]) -> None:
    new_host("kvm-1", state=State.OFFLINE, error="The host did not answer in time.")
    assert "kvm-1  offline  qemu+ssh://10.0.0.1/system" in run("list")
    assert "did not answer" in run("list")
    assert json.loads(run("list", "--json"))[0]["state"] == "offline"


def test_unknown_host() -> None:
    with pytest.raises(CommandError, match="no host called nobody"):
        run("test", "nobody")
