"""Adding and editing by the form: what is typed becomes an address, and what is wrong stands where it belongs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry
from hosts import credentials, endpoints
from hosts.forms import HostForm
from hosts.models import Host, HostSecret, State
from jobs.models import Job
from tests.integration.hosts.conftest import KEY

NewHost = Callable[..., Host]

SSH = {"kind": "ssh", "name": "kvm-1", "address": "kvm-1.example.org", "key": "portal"}


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keys and certificates as people have them."""
    folder = tmp_path_factory.mktemp("pem")

    def run(*command: str) -> None:
        subprocess.run(command, check=True, cwd=folder, capture_output=True)

    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "ssh")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret phrase", "-f", "locked")
    for name in ("tls", "other"):
        run(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.crt",
        )
    return {file.name: file.read_text() for file in Path(folder).iterdir()}


def errors(**data: Any) -> dict[str, list[str]]:
    form = HostForm({"name": "kvm-1", **data})
    form.is_valid()
    return {name: [str(error) for error in found] for name, found in form.errors.items()}


# ── what becomes of the fields ──


def test_ssh_host_waits_for_its_key(as_admin: Client) -> None:
    answer = as_admin.post("/hosts/add/", {**SSH, "port": "2222", "login": "virt", "notes": "rack 4"})
    host = Host.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/hosts/{host.pk}/test/")
    assert endpoints.endpoint_of(host).label == "qemu+ssh://virt@kvm-1.example.org:2222/system"
    assert (host.enabled, host.state, host.notes) == (False, State.NEW, "rack 4")
    job = Job.objects.get()
    assert (job.kind, job.subject_id, job.asked_by_name) == ("hosts.test", host.pk, "root")
    assert [(event.kind, event.actor) for event in host.events.all()] == [("added", "root")]
    assert AuditEntry.objects.filter(action="hosts.added", subject="kvm-1", actor="root", address="127.0.0.1").exists()


def test_the_transports_own_port_is_not_stored(as_admin: Client) -> None:
    as_admin.post("/hosts/add/", {**SSH, "port": "22"})
    assert Host.objects.get().port is None
    assert "kvm-1 has this very address already" in text_of(as_admin.post("/hosts/add/", {**SSH, "name": "kvm-2"}))


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"kind": "local"}, "qemu:///system"),
        ({"kind": "session"}, "qemu:///session"),
        ({"kind": "test"}, "test:///default"),
        ({"kind": "socket", "path": "/run/x/libvirt-sock"}, "qemu+unix:///system?socket=%2Frun%2Fx%2Flibvirt-sock"),
        ({"kind": "socket", "path": "/run/x", "session": "on"}, "qemu+unix:///session?socket=%2Frun%2Fx"),
        ({"kind": "tcp", "address": "[2001:db8::1]"}, "qemu+tcp://[2001:db8::1]/system"),
        (
            {"kind": "ssh", "address": "h", "path": "/run/user/1000/libvirt/libvirt-sock", "session": "on"},
            "qemu+ssh://h/session?socket=%2Frun%2Fuser%2F1000%2Flibvirt%2Flibvirt-sock",
        ),
    ],
)
def test_each_kind_makes_its_address(fields: dict[str, str], label: str) -> None:
    form = HostForm({"name": "x", **fields})
    assert form.is_valid(), form.errors
    assert form.draft().endpoint.label == label


def test_fields_of_other_kinds_are_not_looked_at() -> None:
    form = HostForm({"name": "x", "kind": "local", "address": "-oProxyCommand=x", "port": "abc", "private_key": "rubbish", "path": "../x", "session": "on"})
    assert form.is_valid(), form.errors
    assert form.draft().secrets == {}


def test_secrets_are_sealed_and_reach_the_connection(as_admin: Client, pem: dict[str, str]) -> None:
    as_admin.post("/hosts/add/", {**SSH, "key": "own", "private_key": pem["ssh"].replace("\n", "\r\n")})
    host = Host.objects.get()
    assert "PRIVATE KEY" not in HostSecret.objects.get().sealed
    assert credentials.credentials_of(host).private_key == pem["ssh"]
    assert "PRIVATE" not in str(list(AuditEntry.objects.values())) + str(list(Job.objects.values())) + str(list(host.events.values()))


def test_tls_and_sasl_secrets(pem: dict[str, str], as_admin: Client) -> None:
    as_admin.post(
        "/hosts/add/", {"kind": "tls", "name": "t", "address": "t", "ca_cert": pem["tls.crt"], "client_cert": pem["tls.crt"], "client_key": pem["tls.key"]}
    )
    as_admin.post("/hosts/add/", {"kind": "tcp", "name": "s", "address": "s", "sasl_user": "fred", "sasl_password": " pass word "})
    tls, sasl = (credentials.credentials_of(Host.objects.get(name=name)) for name in ("t", "s"))
    assert (tls.ca_cert, tls.client_cert, tls.client_key) == (pem["tls.crt"], pem["tls.crt"], pem["tls.key"])
    assert (sasl.sasl_user, sasl.sasl_password) == ("fred", " pass word ")


def test_without_its_own_key_the_portals_signs_in(as_admin: Client) -> None:
    as_admin.post("/hosts/add/", SSH)
    used = credentials.credentials_of(Host.objects.get()).private_key
    assert "BEGIN OPENSSH PRIVATE KEY" in used
    assert "webvirt" in text_of(as_admin.get("/hosts/add/"))
    assert used.splitlines()[1] not in text_of(as_admin.get("/hosts/add/"))


# ── what is wrong ──


@pytest.mark.parametrize(
    "bad",
    ["-oProxyCommand=touch /tmp/x", "a b", "a;b", "root@h", "qemu+ssh://h/system", "<b>", "h\nx", "🚀", "x" * 10_240, "a..b", "h/system?command=x", "%2F"],
)
def test_bad_addresses(bad: str) -> None:
    assert "address" in errors(kind="ssh", address=bad)


@pytest.mark.parametrize("bad", ["0", "65536", "-1", "22.5", "ssh", "9" * 10_000, "٣٣٣٣٣٣"])
def test_bad_ports(bad: str) -> None:
    assert "port" in errors(kind="ssh", address="h", port=bad)


@pytest.mark.parametrize("bad", ["-l", "a b", "x" * 65, "a;b", "$(id)", "é" * 3])
def test_bad_users(bad: str) -> None:
    assert "login" in errors(kind="ssh", address="h", login=bad)


@pytest.mark.parametrize("bad", ["relative", "//host/x", "/a/../b", "/" + "x" * 300, "/a\nb"])
def test_bad_paths(bad: str) -> None:
    assert "path" in errors(kind="socket", path=bad)


def test_a_remote_path_may_hold_nothing_that_a_shell_reads() -> None:
    assert "path" in errors(kind="ssh", address="h", path="/run/$(id)")


def test_what_is_missing() -> None:
    assert set(errors(kind="ssh")) == set(errors(kind="tls", ca_cert="-")) - {"ca_cert"} == {"address"}
    assert set(errors(kind="socket")) == {"path"}
    assert set(errors()) == {"kind"}
    assert set(errors(kind="ssh", address="h", key="own")) == {"private_key"}
    assert set(errors(kind="tls", address="h")) == {"ca_cert"}
    assert set(errors(kind="tcp", address="h", sasl_user="fred")) == {"sasl_password"}
    assert set(errors(kind="tcp", address="h", sasl_password="x")) == {"sasl_user"}


def test_unusable_keys_and_certificates(pem: dict[str, str]) -> None:
    def said(field: str, **data: str) -> str:
        return errors(address="h", **data)[field][0]

    assert "passphrase" in said("private_key", kind="ssh", key="own", private_key=pem["locked"])
    assert "public half" in said("private_key", kind="ssh", key="own", private_key=pem["ssh.pub"])
    assert "no private key" in said("private_key", kind="ssh", key="own", private_key="🚀" * 2_000)
    assert "no certificate" in said("ca_cert", kind="tls", ca_cert="<script>")
    assert "is a private key" in said("ca_cert", kind="tls", ca_cert=pem["tls.key"])
    assert "give both" in said("client_key", kind="tls", ca_cert=pem["tls.crt"], client_cert=pem["tls.crt"])
    assert "does not belong" in said("client_key", kind="tls", ca_cert=pem["tls.crt"], client_cert=pem["tls.crt"], client_key=pem["other.key"])


NASTY = ["'", '"', "<script>alert(1)</script>", "a\nb", "🚀", "x" * 10_240, "\x00", "\u202e", "{{ 7*7 }}", "%s", "-1", "../../etc"]


@pytest.mark.parametrize("nasty", NASTY)
def test_nothing_that_can_be_typed_breaks_the_form(as_admin: Client, nasty: str) -> None:
    for kind in ("ssh", "tls", "tcp", "socket", nasty):
        data = dict.fromkeys(HostForm.base_fields, nasty) | {"kind": kind}
        answer = as_admin.post("/hosts/add/", data)
        assert answer.status_code == 422, (kind, nasty)
        assert "<script>alert" not in text_of(answer)
        assert as_admin.post("/hosts/add/", data, headers={"WV-Async": "1"}).status_code == 422
    assert not Host.objects.exists()


def test_what_was_typed_stays_but_no_secret(as_admin: Client) -> None:
    page = text_of(
        as_admin.post(
            "/hosts/add/", {"kind": "tcp", "name": "", "address": "kvm-9.example", "sasl_user": "fred", "sasl_password": "hunter22", "notes": "keep <me>"}
        )
    )
    assert 'value="kvm-9.example"' in page
    assert 'value="fred"' in page
    assert "keep &lt;me&gt;" in page
    assert "hunter22" not in page
    assert 'value="tcp" checked' in page


def test_a_script_gets_the_form_alone(as_admin: Client) -> None:
    answer = as_admin.post("/hosts/add/", {**SSH, "address": ""}, headers={"WV-Async": "1"})
    assert answer.status_code == 422
    assert text_of(answer).lstrip().startswith("<form")
    done = as_admin.post("/hosts/add/", SSH, headers={"WV-Async": "1"})
    assert (done.status_code, done.headers["WV-Location"]) == (204, f"/hosts/{Host.objects.get().pk}/test/")


def test_taken_names_whatever_their_case(as_admin: Client, new_host: NewHost) -> None:
    new_host("KVM-1")
    assert "Another host has this name" in text_of(as_admin.post("/hosts/add/", SSH))


# ── editing ──


def edited(host: Host, **changes: str) -> dict[str, str]:
    """What a browser sends of an edit form that was opened now."""
    form = HostForm(host=host)
    values = {name: form[name].value() for name in form.fields}
    return {name: str(value) for name, value in values.items() if value not in (None, False, "")} | changes


def test_renaming_keeps_the_connection(as_admin: Client, new_host: NewHost) -> None:
    host = new_host(notes="a")
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(host, name="renamed", notes="b"))
    now = Host.objects.get()
    assert (now.name, now.notes, now.state, now.enabled, now.host_key, now.revision) == ("renamed", "b", State.ONLINE, True, KEY, 2)
    event = now.events.get()
    assert (event.words, event.actor) == ("Changed: name, notes.", "root")


def test_another_address_is_tested_before_it_is_followed(as_admin: Client, new_host: NewHost) -> None:
    host = new_host()
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(host, address="elsewhere.example"))
    now = Host.objects.get()
    assert (now.state, now.enabled) == (State.NEW, False)
    assert now.host_key == KEY, "another machine behind the name would be noticed by it"
    assert Job.objects.filter(kind="hosts.test", params__revision=2).exists()


def test_another_kind_drops_the_pin_and_the_secrets_of_the_old_one(as_admin: Client, new_host: NewHost) -> None:
    host = new_host()
    HostSecret.put(host, "private_key", "x")
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(host, kind="tcp", sasl_user="u", sasl_password="p"))
    now = Host.objects.get()
    assert (now.kind, now.host_key) == ("tcp", "")
    assert set(HostSecret.all_of(now)) == {"sasl_user", "sasl_password"}


def test_stored_secrets_stay_unless_given_anew(as_admin: Client, new_host: NewHost, pem: dict[str, str]) -> None:
    host = new_host()
    HostSecret.put(host, "private_key", pem["ssh"])
    assert pem["ssh"].splitlines()[1] not in text_of(as_admin.get(f"/hosts/{host.pk}/edit/"))
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(host, notes="x"))
    assert HostSecret.all_of(host) == {"private_key": pem["ssh"]}
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(Host.objects.get(), key="portal"))
    assert HostSecret.all_of(host) == {}
    assert Host.objects.get().state == State.CONNECTING, "it has to sign in anew"


def test_saving_without_a_change_does_nothing(as_admin: Client, new_host: NewHost) -> None:
    host = new_host()
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(host))
    assert Host.objects.get().revision == 1
    assert not host.events.exists()
    assert not Job.objects.exists()


def test_an_edit_of_what_somebody_changed_meanwhile_is_refused_and_shows_the_difference(as_admin: Client, new_host: NewHost) -> None:
    host = new_host("kvm-1", address="old.example")
    mine = edited(host, notes="mine")
    as_admin.post(f"/hosts/{host.pk}/edit/", edited(host, address="theirs.example"))
    page = text_of(as_admin.post(f"/hosts/{host.pk}/edit/", mine))
    assert "Somebody else changed it meanwhile" in page
    assert "Address: theirs.example" in page
    assert "mine</textarea>" in page, "what was typed stays"
    assert Host.objects.get().address == "theirs.example"
    again = {**mine, "revision": page.split('name="revision" value="')[1].split('"')[0]}
    assert as_admin.post(f"/hosts/{host.pk}/edit/", again).status_code == 302
    assert (Host.objects.get().address, Host.objects.get().notes) == ("old.example", "mine")
