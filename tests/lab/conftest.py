"""Every lab test starts with whole hosts, every module with empty ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab


@pytest.fixture(autouse=True)
def repaired(lab: Lab) -> Iterator[None]:
    """Undo what the test did to the hosts, whether it passed or not."""
    yield
    lab.repair()


@pytest.fixture(autouse=True, scope="module")
def swept(lab: Lab) -> Iterator[None]:
    """Remove the module's machines."""
    yield
    lab.sweep()
