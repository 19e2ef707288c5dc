"""The connection test on real hosts: whatever is broken there, the step that is named is the broken one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hosts import actions, operations
from hosts.actions import Actor, Draft
from hosts.models import Host as HostRow
from hosts.models import HostTest, State
from jobs.work import Work
from tests.lab.lab import Host, Lab
from virt import probe
from virt.connection import Credentials
from virt.probe import Step
from virt.uri import Endpoint

_BYSTANDER = """
install -d -m 755 /run/keys && cp "$HOME/.ssh/authorized_keys" /run/keys/bystander && chmod 644 /run/keys/bystander
cp /etc/passwd /run/passwd && echo 'bystander:x:4242:65534::/:/bin/sh' >> /run/passwd && mount --bind /run/passwd /etc/passwd
chmod 770 /run/libvirt/libvirt-sock
"""


def by_ssh(host: Host) -> tuple[Endpoint, Credentials]:
    ssh = host.ssh_endpoint
    endpoint = Endpoint(kind="ssh", host=ssh.host, port=ssh.port, user=ssh.user)
    return endpoint, Credentials(private_key=ssh.private_key.read_text(), host_key=ssh.host_key)


def by_tls(host: Host) -> tuple[Endpoint, Credentials]:
    pki = host.lab.directory / "pki" / "client"
    ca, cert, key = ((pki / f"{name}.pem").read_text() for name in ("cacert", "clientcert", "clientkey"))
    return Endpoint(kind="tls", host=host.ssh_endpoint.host), Credentials(ca_cert=ca, client_cert=cert, client_key=key)


def steps(way: tuple[Endpoint, Credentials], **changes: Any) -> list[Step]:
    endpoint, credentials = way
    taken = list(probe.test(endpoint, replace(credentials, **changes), deadline=3.0))
    assert tuple(step.name for step in taken) == probe.ORDER[endpoint.kind][: len(taken)]
    assert all(step.ok for step in taken[:-1])
    return taken


def broken(way: tuple[Endpoint, Credentials], **changes: Any) -> Step:
    last = steps(way, **changes)[-1]
    assert not last.ok
    assert last.words.endswith((".", "?"))
    assert last.fix.endswith((".", "?"))
    return last


@pytest.fixture
def bystander(lab: Lab) -> Iterator[tuple[Endpoint, Credentials]]:
    """A user of h2 who may sign in, and nothing else."""
    host = lab["h2"]
    config = host.directory / "ssh" / "sshd_config"
    usual = config.read_text()
    host.run("sh", "-c", _BYSTANDER)
    config.write_text(usual.replace(f"{host.directory}/home/.ssh/authorized_keys", "/run/keys/%u"))
    endpoint, credentials = by_ssh(host)
    yield replace(endpoint, user="bystander"), credentials
    config.write_text(usual)
    host.run("sh", "-c", "umount /etc/passwd; chmod 777 /run/libvirt/libvirt-sock")


def test_all_well_by_ssh(lab: Lab) -> None:
    last = steps(by_ssh(lab["h1"]))[-1]
    assert last.ok
    assert last.info is not None
    assert last.info.hostname == "h1"
    assert last.words.startswith(f"libvirt {last.info.libvirt_version}, QEMU")


def test_all_well_by_tls_and_by_socket(lab: Lab) -> None:
    assert steps(by_tls(lab["h1"]))[-1].name == "version"
    assert steps((Endpoint(kind="socket", path=str(lab["h1"].socket)), Credentials()))[-1].ok


def test_key_that_nobody_has_confirmed(lab: Lab) -> None:
    step = broken(by_ssh(lab["h1"]), host_key="")
    assert step.name == "host key"
    assert step.host_key is not None
    assert step.host_key.line == lab["h1"].ssh_endpoint.host_key


def test_changed_key(lab: Lab) -> None:
    host = lab["h1"]
    way = by_ssh(host)
    host.show_host_key("other")
    step = broken(way)
    assert step.name == "host key"
    assert step.host_key is not None
    assert step.host_key.line == host.ssh_endpoint.host_key


def test_another_kind_of_key_than_the_pinned_one(lab: Lab, tmp_path: Path) -> None:
    """Reinstalled without the algorithm that was pinned: that is a change, not an error."""
    assert broken(by_ssh(lab["h1"]), host_key=" ".join(_new_key(tmp_path, "rsa")[1].split()[:2])).name == "host key"


def test_key_that_the_host_does_not_let_in(lab: Lab, tmp_path: Path) -> None:
    step = broken(by_ssh(lab["h1"]), private_key=_new_key(tmp_path, "ed25519")[0])
    assert step.name == "login"
    assert "authorized_keys of root" in step.fix


def test_user_who_may_not_use_libvirt(bystander: tuple[Endpoint, Credentials]) -> None:
    step = broken(bystander)
    assert step.name == "permission"
    assert "usermod -aG libvirt bystander" in step.fix


def test_no_libvirt_there(lab: Lab) -> None:
    host = lab["h2"]
    host.kill_libvirtd()
    host.run("rm", "-f", "/run/libvirt/libvirt-sock")
    assert broken(by_ssh(host)).name == "libvirt socket"
    assert broken(by_tls(host)).name in ("port", "libvirt socket")


def test_frozen_libvirt(lab: Lab) -> None:
    host = lab["h2"]
    host.freeze()
    assert broken(by_ssh(host)).name == "libvirt socket"
    assert broken(by_tls(host)).name == "libvirt socket"
    assert broken((Endpoint(kind="socket", path=str(host.socket)), Credentials())).name == "libvirt socket"


def test_ssh_that_accepts_and_says_nothing(lab: Lab) -> None:
    host = lab["h3"]
    host.unplug()
    assert broken(by_ssh(host)).name == "port"


def test_host_without_power(lab: Lab) -> None:
    host = lab["h3"]
    way = by_ssh(host)
    host.power_cut()
    assert broken(way).name in ("route", "port")


def test_tls_certificate_of_a_stranger(lab: Lab, tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-keyout", "key", "-out", "cert"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    certificate, key = (tmp_path / "cert").read_text(), (tmp_path / "key").read_text()
    assert broken(by_tls(lab["h1"]), ca_cert=certificate, client_cert="", client_key="").name == "host key"
    assert broken(by_tls(lab["h1"]), client_cert=certificate, client_key=key).name == "login"
    assert broken(by_tls(lab["h1"]), client_cert="", client_key="").name == "login"


@pytest.mark.django_db
def test_the_same_host_twice_waits_for_a_person(lab: Lab, redis: Path) -> None:
    host = lab["h1"]
    uuid = steps(by_ssh(host))[-1].info
    assert uuid is not None
    HostRow.objects.create(name="first", kind="ssh", address="elsewhere", host_uuid=uuid.host_uuid, state=State.ONLINE)
    second = actions.add(Draft("second", Endpoint(kind="socket", path=str(host.socket))), Actor())
    job = actions.test(second, Actor())
    assert operations.test(Work(job)) == {"passed": False, "asks": "identity"}
    shown = HostTest.objects.get().steps[-1]
    assert shown["state"] == "asks"
    assert "the same host as first" in shown["words"]
    assert not HostRow.objects.get(name="second").enabled


def _new_key(folder: Path, kind: str) -> tuple[str, str]:
    """Private and public half."""
    file = folder / kind
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(file)], check=True)
    return file.read_text(), file.with_suffix(".pub").read_text()
