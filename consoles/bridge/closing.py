"""How a console ends, in a word for the page and one for the person."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Websocket closing codes: those below 4000 are the protocol's own."""

    NORMAL = 1000
    GOING_AWAY = 1001
    TICKET = 4401  # bad, used, expired, or somebody else's
    RIGHT_GONE = 4403  # or signed out, disabled, invitation over
    NO_DISPLAY = 4404
    STOPPED = 4409  # or moved to another host
    LIMIT = 4429
    UNREACHABLE = 4502  # host or display


class Closing(Exception):
    """The console ends, or is not opened at all; `words` are for the person."""

    def __init__(self, code: Code, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words
