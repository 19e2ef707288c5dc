"""The steps that the page shows as still to come are those that the test takes."""

from __future__ import annotations

from hosts import steps
from hosts.models import Host, Kind
from virt import probe


def test_expected_steps_are_those_of_the_probe() -> None:
    assert set(steps.EXPECTED) == set(Kind.values) == set(probe.ORDER)
    for kind, expected in steps.EXPECTED.items():
        assert tuple(name for name in expected if name != "identity") == probe.ORDER[kind], kind
        assert all(name in steps.TITLES for name in expected)


def test_consoles_through_ssh_take_further_steps() -> None:
    usual, more = (steps.expected(Host(kind="tls", console_way=way)) for way in ("direct", "ssh"))
    assert more == (*usual, *probe.FORWARDING)
    assert all(name in steps.TITLES for name in more)
    assert steps.expected(Host(kind="ssh", console_way="ssh")) == steps.EXPECTED["ssh"]
