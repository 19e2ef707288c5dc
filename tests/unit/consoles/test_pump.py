"""The pump between two real sockets, where one side stops."""

from __future__ import annotations

import socket
import threading
from typing import Any

from consoles.bridge.closing import Closing
from consoles.bridge.framing import BrowserSocket
from consoles.bridge.pump import Pump


def test_a_browser_that_goes_is_noticed_while_the_display_takes_nothing() -> None:
    browser, ours = socket.socketpair()
    display, theirs = socket.socketpair()  # its other end never reads
    websocket = BrowserSocket(object())
    websocket.socket, websocket.client = ours, False
    ended: list[Closing] = []
    pump = Pump(websocket, display)
    carrying = threading.Thread(target=lambda: ended.append(pump.run()), daemon=True)
    carrying.start()
    typed: Any = bytes(1 << 20)
    browser.sendall(b"\x82\xff" + len(typed).to_bytes(8, "big") + bytes(4) + typed)
    carrying.join(0.5)
    assert carrying.is_alive() and pump.typed == len(typed), "it waits for the display"
    browser.close()
    carrying.join(5)
    assert [closing.words for closing in ended] == ["The browser went away."]
    theirs.close()
