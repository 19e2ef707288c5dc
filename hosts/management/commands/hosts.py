"""`manage.py hosts add | list | test`: hosts from the command line, for operators and for tests.

Unlike the pages it may reach a host by itself: whoever runs it sits on the portal's machine.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hosts import actions, endpoints, keys, pem, shown
from hosts.actions import Actor, Draft
from hosts.endpoints import Consoles
from hosts.models import Host
from jobs.submit import Refused
from virt import uri
from virt.errors import VirtError

_MARKS = {True: "ok  ", False: "FAIL"}


class Command(BaseCommand):
    help = "Add, list and test hypervisor hosts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="add | list | test")
        add = verbs.add_parser("add", help="add a host")
        add.add_argument("name", metavar="NAME")
        add.add_argument("uri", metavar="URI", help="such as qemu:///system, qemu+ssh://root@host/system or test+unix:///default?socket=/path")
        add.add_argument("--key-file", type=Path, metavar="FILE", help="private SSH key to sign in with, instead of WebVirt's own")
        known = add.add_mutually_exclusive_group()
        known.add_argument("--host-key", default="", metavar="KEY", help='the host\'s public SSH key, "ssh-ed25519 AAAA…", known to be right')
        known.add_argument("--trust-on-first-use", action="store_true", help="take the SSH key that the host shows now for the right one")
        add.add_argument("--ca-cert", type=Path, metavar="FILE", help="for TLS: certificate of the authority that signed the host's")
        add.add_argument("--client-cert", type=Path, metavar="FILE", help="for TLS: certificate to show to the host")
        add.add_argument("--client-key", type=Path, metavar="FILE", help="for TLS: its key")
        add.add_argument("--sasl-user", default="", metavar="USER", help="for TCP: user; the password is read from standard input")
        add.add_argument(
            "--consoles", default="", metavar="SERVER", help="for TLS and TCP: reach displays through this SSH server, as ssh://[USER@]HOST[:PORT]"
        )
        listing = verbs.add_parser("list", help="list the hosts as they were last seen")
        listing.add_argument("--json", action="store_true", help="for programs")
        test = verbs.add_parser("test", help="test the connection to a host, step by step; status 1 when it fails")
        test.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        {"add": self._add, "list": self._list, "test": self._test}[options["verb"]](options)

    # ── add ──

    def _add(self, options: dict[str, Any]) -> None:
        try:
            endpoint = uri.parse(options["uri"])
            ssh = _ssh_server(endpoint, options["consoles"])
            host_key = self._host_key(ssh, options)
            consoles = Consoles(True, ssh.host, ssh.port, ssh.user) if ssh and options["consoles"] else Consoles()
            draft = Draft(options["name"], endpoint, host_key=host_key, consoles=consoles, secrets=_secrets(endpoint, options))
            host = actions.add(draft, Actor(), enable=True)
        except (Refused, VirtError) as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(f"{host.name} added: {endpoints.transport(host)} {endpoints.place(host)}".rstrip())
        if not host.enabled:
            self.stdout.write(
                "Its host key is not confirmed, so nothing is sent to it yet. Confirm it on its page, or add it with --host-key or --trust-on-first-use."
            )
        if ssh and not options["key_file"]:
            self.stdout.write(f"On the host, as {ssh.user or 'root'}:\n  {keys.authorize_command(keys.portal_key().public)}")

    def _host_key(self, ssh: uri.Endpoint | None, options: dict[str, Any]) -> str:
        if ssh is None:
            if options["host_key"] or options["trust_on_first_use"]:
                raise CommandError("Only hosts reached over SSH, or whose consoles are, have a host key.")
            return ""
        if options["host_key"]:
            from virt.ssh import split_host_key

            return " ".join(split_host_key(options["host_key"]))
        if not options["trust_on_first_use"]:
            return ""
        from virt.probe import fetch_host_key

        seen = fetch_host_key(ssh.host, ssh.port or uri.DEFAULT_PORTS["ssh"])
        self.stdout.write(f"Trusting the key that it shows now: {seen.fingerprint}")
        return str(seen.line)

    # ── list ──

    def _list(self, options: dict[str, Any]) -> None:
        rows = [_public(host) for host in Host.objects.defer("capabilities")]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        columns = ("name", "state", "address", "libvirt", "error")
        widths = {name: max([len(name), *(len(str(row[name])) for row in rows)]) for name in columns}
        for row in [dict(zip(columns, map(str.upper, columns), strict=True)), *rows]:
            self.stdout.write("  ".join(str(row[name]).ljust(widths[name]) for name in columns).rstrip())

    # ── test ──

    def _test(self, options: dict[str, Any]) -> None:
        from hosts import credentials
        from virt import probe

        host = Host.objects.filter(name=options["name"]).first()
        if host is None:
            raise CommandError(f"There is no host called {options['name']}.")
        well = True
        given, ssh = credentials.credentials_of(host), endpoints.ssh_endpoint_of(host)
        displays = probe.test_forwarding(ssh, given) if ssh and not endpoints.has_host_key(host.kind) else ()
        for step in (*probe.test(endpoints.endpoint_of(host), given), *displays):
            well = well and step.ok
            self.stdout.write(f"{_MARKS[step.ok]}  {step.name}: {step.words}")
            if step.fix:
                self.stdout.write(f"      {step.fix}")
        if not well:
            sys.exit(1)


def _ssh_server(endpoint: uri.Endpoint, consoles: str) -> uri.Endpoint | None:
    """The one that leads to the host, or to its displays."""
    if not consoles:
        return endpoint if endpoints.has_host_key(endpoint.kind) else None
    if endpoint.kind not in endpoints.CHOOSE_CONSOLES:
        raise CommandError("--consoles is for TLS and TCP hosts: others have one way for all.")
    if not consoles.startswith("ssh://"):
        raise CommandError("--consoles looks like ssh://root@host:22.")
    return uri.parse(f"qemu+{consoles.rstrip('/')}/system")


def _secrets(endpoint: uri.Endpoint, options: dict[str, Any]) -> dict[str, str]:
    """Read and check what was given; only what the kind of connection takes."""
    allowed = actions.SECRETS_OF.get(endpoint.kind, ())
    files = {"private_key": "key_file", "ca_cert": "ca_cert", "client_cert": "client_cert", "client_key": "client_key"}
    secrets = {}
    for name, option in files.items():
        if options[option] is None:
            continue
        if name not in allowed or (name == "private_key" and endpoint.kind in endpoints.CHOOSE_CONSOLES and not options["consoles"]):
            raise CommandError(f"--{option.replace('_', '-')} is not for a host of the kind {endpoint.kind}.")
        secrets[name] = _text(options[option])
        problem = _PROBLEMS[name](secrets[name])
        if problem:
            raise CommandError(f"{options[option]}: {problem}")
    if endpoint.kind == "tls" and "ca_cert" not in secrets:
        raise CommandError("A TLS host needs --ca-cert.")
    if options["sasl_user"]:
        if "sasl_user" not in allowed:
            raise CommandError(f"--sasl-user is not for a host of the kind {endpoint.kind}.")
        secrets |= {"sasl_user": options["sasl_user"], "sasl_password": sys.stdin.readline().rstrip("\n")}
    return secrets


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(f"{path} can't be read: {exc}") from exc


def _public(host: Host) -> dict[str, Any]:
    return {
        "id": host.pk,
        "name": host.name,
        "state": host.state,
        "words": shown.word(host),
        "address": endpoints.endpoint_of(host).label,
        "host_uuid": host.host_uuid,
        "libvirt": host.libvirt_version,
        "error": host.error,
    }


_PROBLEMS = {
    "private_key": pem.problem_of_ssh_key,
    "ca_cert": pem.problem_of_certificate,
    "client_cert": pem.problem_of_certificate,
    "client_key": pem.problem_of_key,
}
