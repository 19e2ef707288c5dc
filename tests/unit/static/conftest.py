from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def sprite() -> str:
    return (ROOT / "static" / "icons.svg").read_text()
