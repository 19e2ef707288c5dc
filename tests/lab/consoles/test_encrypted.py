"""A host reached over TLS: its displays directly, encrypted and believed by its authority alone, or through SSH."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests import consoles
from tests.lab.consoles.opening import link_spice, open_console, wait_known
from tests.lab.guests import Recipe, domain_xml
from tests.lab.lab import Host, Lab
from tests.stack import Stack
from tests.tls_display import Authority
from tests.waiting import wait_until

ENCRYPTED = """
vnc_tls = 1
vnc_tls_x509_cert_dir = "/etc/pki/qemu"
spice_tls = 1
spice_tls_x509_cert_dir = "/etc/pki/qemu"
"""


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """h2 directly, h3 through SSH; QEMU encrypts on both."""
    with ExitStack() as ending:
        for host in (lab["h2"], lab["h3"]):
            usual = _conf(host).read_text()
            host.configure_qemu(usual + ENCRYPTED)
            ending.callback(host.configure_qemu, usual)
            ending.callback(host.sweep)  # before: a fresh libvirtd takes a moment to find its machines again
        stack = Stack.start()
        ending.callback(stack.stop)
        _add(stack, lab["h2"])
        far = lab["h3"].ssh_endpoint
        _add(stack, lab["h3"], "--consoles", f"ssh://{far.user}@{far.host}:{far.port}", "--key-file", str(far.private_key), "--host-key", far.host_key)
        wait_until("both are followed", lambda: {stack.host(name)["state"] for name in ("h2", "h3")} == {"online"} or _states(stack), seconds=90)
        yield stack


def test_directly(stack: Stack, lab: Lab) -> None:
    host = lab["h2"]
    ports = _start(host, "direct", listen="0.0.0.0", passwd="geheim")
    wait_known(stack, "direct")
    assert _offered(host, ports["vnc"]) == b"\x13", "nothing but VeNCrypt"
    with open_console(stack, "direct") as console:
        assert len(set(consoles.pixels(console, consoles.greet(console)))) > 1
        assert len(consoles.pixels(console, consoles.Screen(720, 400, ""))) == 720 * 400 * 4, "and once more"
    with open_console(stack, "direct", kind="spice") as console:
        assert link_spice(console, channel=1) == 0
        assert struct.unpack("<HII", console.exactly(10))[0] == 103, "the main channel begins"


def test_directly_the_display_of_a_stranger_and_one_in_the_clear(stack: Stack, lab: Lab) -> None:
    host = lab["h2"]
    pki = host.directory / "pki" / "qemu"
    usual = {file: file.read_text() for file in pki.iterdir()}
    _certify(pki, Authority("lab-authority"), host.ssh_endpoint.host)
    _start(host, "stranger", listen="0.0.0.0")
    for file, text in usual.items():
        file.write_text(text)
    host.configure_qemu(_conf(host).read_text().replace(ENCRYPTED, ""))
    _start(host, "clear", listen="0.0.0.0")
    for machine, words in (("stranger", "certificate is not trusted"), ("clear", "is not encrypted")):
        wait_known(stack, machine)
        for kind in ("vnc", "spice"):
            with open_console(stack, machine, kind=kind) as console:
                farewell = console.farewell()
                assert (farewell.code, words in farewell.reason) == (4502, True), farewell


def test_through_ssh(stack: Stack, lab: Lab) -> None:
    """On loopback, with TLS inside, which must be as good; and a changed key of the SSH server stops consoles alone."""
    host = lab["h3"]
    _start(host, "tunnelled", doors=False, listen="127.0.0.1", passwd="geheim")
    wait_known(stack, "tunnelled")
    with open_console(stack, "tunnelled") as console:
        assert len(set(consoles.pixels(console, consoles.greet(console)))) > 1
    with open_console(stack, "tunnelled", kind="spice") as console:
        assert link_spice(console, channel=1) == 0
    host.run("sh", "-c", "pkill -9 -f '[s]shd: root' ; true")
    host.show_host_key("other")
    with open_console(stack, "tunnelled") as console:
        farewell = console.farewell()
        assert (farewell.code, "another key" in farewell.reason) == (4502, True), farewell
    number = stack.host("h3")["id"]
    assert stack.web.post(f"/hosts/{number}/test/", {}).status == 204
    wait_until("the page asks", lambda: stack.host("h3")["host_key_offered"] == host.ssh_endpoint.host_key, seconds=30)
    assert "Another host key than the confirmed one" in stack.web.get(f"/hosts/{number}/test/").body.decode()
    assert stack.host("h3")["state"] == "online", "libvirt is reached by its certificate"


def _states(stack: Stack) -> bool:
    raise AssertionError([(stack.host(name)["state"], stack.host(name)["error"], stack.host(name)["error_detail"]) for name in ("h2", "h3")])


def _add(stack: Stack, host: Host, *options: str) -> None:
    pki = host.lab.directory / "pki" / "client"
    given = [f"--{name}={pki}/{file}.pem" for name, file in (("ca-cert", "cacert"), ("client-cert", "clientcert"), ("client-key", "clientkey"))]
    stack.add_host(host.name, f"qemu+tls://{host.ssh_endpoint.host}/system", *given, *options)


def _start(host: Host, name: str, *, doors: bool = True, **graphics: Any) -> dict[str, int]:
    """A machine that shows its firmware by VNC and by SPICE; their ports, open to the portal."""
    root = etree.fromstring(domain_xml(Recipe(name)))
    devices = root.find("devices")
    assert devices is not None
    devices.remove(devices.find("graphics"))
    for kind in ("vnc", "spice"):
        etree.SubElement(devices, "graphics", type=kind, autoport="yes", **graphics)
    with host.connection() as connection:
        domain = connection.defineXML(etree.tostring(root, encoding="unicode"))
        domain.create()
        shown = etree.fromstring(domain.XMLDesc()).findall("devices/graphics")
    ports = {screen.get("type"): int(screen.get("tlsPort") or screen.get("port")) for screen in shown}
    for port in ports.values() if doors else ():
        host.open_door(port)
    return ports


def _offered(host: Host, port: int) -> bytes:
    """The ways to sign in that a VNC server offers to anybody."""
    with socket.create_connection((host.ssh_endpoint.host, port), timeout=10) as link:
        link.sendall(link.recv(12))
        return link.recv(link.recv(1)[0])


def _certify(pki: Path, authority: Authority, name: str) -> None:
    """Another certificate for machines that start from now on."""
    made = authority.sign(name)
    for file, text in (("server-cert", made.certificate), ("server-key", made.key), ("ca-cert", authority.certificate)):
        (pki / f"{file}.pem").write_text(text)


def _conf(host: Host) -> Path:
    return host.directory / "etc-libvirt" / "qemu.conf"
