"""Where a display is reached, by the way in which its host is; and the clear word where it can't be."""

from __future__ import annotations

import pytest

from consoles.bridge import reach
from consoles.bridge.closing import Closing, Code
from consoles.bridge.tls import Trust
from consoles.tunnels import Place
from hosts.models import Host
from virt.connection import Credentials
from virt.xml.read.graphics import Graphics

TLS = Host(name="kvm-07", kind="tls", address="kvm-07.example")
TCP = Host(name="kvm-08", kind="tcp", address="kvm-08.example")
TRUST = Trust("kvm-07.example", True, Credentials())


def _screen(*, kind: str = "vnc", address: str = "", port: int = 0, tls_port: int = 0, socket: str = "") -> Graphics:
    listen = "socket" if socket else "address"
    return Graphics(kind=kind, listen=listen, address=address, port=port, tls_port=tls_port, socket=socket, autoport=True, expires="")


@pytest.mark.parametrize(
    ("address", "reached"), [("0.0.0.0", "kvm-07.example"), ("::", "kvm-07.example"), ("", "kvm-07.example"), ("10.1.2.3", "10.1.2.3"), ("kvm", "kvm")]
)
def test_a_display_of_a_tls_host_that_listens_on_a_network(address: str, reached: str) -> None:
    assert reach._from_outside(TLS, address) == reached


@pytest.mark.parametrize("screen", [_screen(address="127.0.0.1", port=5900), _screen(address="::1", port=5900), _screen(socket="/run/vnc.sock")])
def test_one_that_listens_on_its_host_alone_is_refused_with_what_to_change(screen: Graphics) -> None:
    with pytest.raises(Closing) as caught:
        reach._connect(TLS, screen, TRUST)
    assert caught.value.code == Code.UNREACHABLE
    assert "of kvm-07 alone. Let consoles go through SSH in the settings of the host" in caught.value.words


def test_one_with_tls_alone_is_refused_where_no_authority_is_known() -> None:
    with pytest.raises(Closing, match="speaks TLS alone, and no authority is known"):
        reach._connect(TCP, _screen(kind="spice", address="0.0.0.0", tls_port=5901), None)


def test_spice_in_the_clear_is_refused_directly_and_never_tried() -> None:
    with pytest.raises(Closing, match="is not encrypted"):
        reach._connect(TLS, _screen(kind="spice", address="0.0.0.0", port=1), TRUST)


@pytest.mark.parametrize(
    ("screen", "place"),
    [
        (_screen(socket="/run/vnc.sock"), Place(path="/run/vnc.sock")),
        (_screen(address="127.0.0.1", port=5901), Place(address="127.0.0.1", port=5901)),
        (_screen(address="0.0.0.0", port=5901), Place(address="127.0.0.1", port=5901)),
        (_screen(address="::", port=5901), Place(address="::1", port=5901)),
        (_screen(port=5901), Place(address="127.0.0.1", port=5901)),
    ],
)
def test_the_far_end_of_a_tunnel(screen: Graphics, place: Place) -> None:
    assert reach._place(screen, screen.port) == place
