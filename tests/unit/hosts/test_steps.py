"""The steps that the page shows as still to come are those that the test takes."""

from __future__ import annotations

from hosts import steps
from hosts.models import Kind
from virt import probe


def test_expected_steps_are_those_of_the_probe() -> None:
    assert set(steps.EXPECTED) == set(Kind.values) == set(probe.ORDER)
    for kind, expected in steps.EXPECTED.items():
        assert tuple(name for name in expected if name != "identity") == probe.ORDER[kind], kind
        assert all(name in steps.TITLES for name in expected)
