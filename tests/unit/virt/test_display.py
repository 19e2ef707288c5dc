"""Whose a display's password is, told by when it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from virt.display import _display


@pytest.mark.parametrize(
    ("password", "ends_in", "expired", "lent", "lasting"),
    [
        ("", None, False, False, False),
        ("geheim", None, False, False, True),
        ("geheim", -1, True, False, False),
        ("geheim", 60, False, True, False),
        ("geheim", 3600, False, False, True),
        ("", -1, True, False, False),
    ],
)
def test_a_password_is_lent_lasting_or_over(password: str, ends_in: int | None, expired: bool, lent: bool, lasting: bool) -> None:
    node = etree.Element("graphics", type="vnc")
    if password:
        node.set("passwd", password)
    if ends_in is not None:
        node.set("passwdValidTo", (datetime.now(UTC) + timedelta(seconds=ends_in)).strftime("%Y-%m-%dT%H:%M:%S"))
    display = _display(0, node)
    assert (display.expired, display.is_lent(120), display.is_lasting(120)) == (expired, lent, lasting)
    assert "geheim" not in repr(display)


def test_an_end_that_cant_be_read_is_none() -> None:
    assert not _display(0, etree.Element("graphics", type="vnc", passwd="x", passwdValidTo="soon")).expired
