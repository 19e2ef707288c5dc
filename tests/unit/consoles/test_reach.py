"""Where a display is reached, by the way in which its host is; and the clear word where it can't be."""

from __future__ import annotations

import pytest

from consoles.bridge import reach
from consoles.bridge.closing import Closing, Code
from consoles.tunnels import Place
from hosts.models import Host
from virt.xml.read.graphics import Graphics

TLS = Host(name="kvm-07", kind="tls", address="kvm-07.example")


def _screen(*, address: str = "", port: int = 0, socket: str = "") -> Graphics:
    return Graphics(kind="vnc", listen="socket" if socket else "address", address=address, port=port, tls_port=0, socket=socket, autoport=True, expires="")


@pytest.mark.parametrize(
    ("address", "reached"), [("0.0.0.0", "kvm-07.example"), ("::", "kvm-07.example"), ("", "kvm-07.example"), ("10.1.2.3", "10.1.2.3"), ("kvm", "kvm")]
)
def test_a_display_of_a_tls_host_that_listens_on_a_network(address: str, reached: str) -> None:
    assert reach._from_outside(TLS, address) == reached


@pytest.mark.parametrize("screen", [_screen(address="127.0.0.1", port=5900), _screen(address="::1", port=5900), _screen(socket="/run/vnc.sock")])
def test_one_that_listens_on_its_host_alone_is_refused_with_what_to_change(screen: Graphics) -> None:
    with pytest.raises(Closing) as caught:
        reach._connect(TLS, screen)
    assert caught.value.code == Code.UNREACHABLE
    assert "of kvm-07 alone. Connect the host by SSH, or let the display listen" in caught.value.words


def test_one_with_tls_alone_is_refused() -> None:
    with pytest.raises(Closing, match="with TLS alone"):
        reach._connect(TLS, _screen(address="0.0.0.0"))


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
    assert reach._place(screen) == place
