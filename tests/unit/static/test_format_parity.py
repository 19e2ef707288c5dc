"""The browser writes numbers as the server does, or a live cell would jump when its row is fetched again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.utils import translation

from live.templatetags import wv

JS = Path(__file__).resolve().parents[3] / "static" / "js"
VALUES = [0, 1, 999, 1023, 1024, 1536, 99_949, 102_399, 1_048_524, 1_048_525, 2_202_009, 5_476_083_302, 58_262_000_000, 106_954_752, 3 * 2**50, 7.7 * 2**60]
TIMES = [0, 1, 59, 60, 61, 3599, 3600, 86_399, 86_400, 1_000_000]
POINTS = [0, 3, 100, 47, 88]

SCRIPT = """
import { scaled, usedOf, coarse } from "%(js)s/format.js";
import { drawn, parsed } from "%(js)s/row-numbers.js";
const { values, times, points, path } = JSON.parse(process.argv[1]);
console.log(JSON.stringify({
  en: values.map((value) => scaled(value, ".").join(" ")),
  ru: values.map((value) => scaled(value, ",").join(" ")),
  of: values.map((value) => usedOf(value, 64 * 2 ** 30, ".").join("")),
  times: times.map((time) => coarse(time, (name) => name)),
  drawn: drawn(points), parsed: parsed(path),
}));
"""


@pytest.fixture(scope="module")
def browser() -> dict[str, list[str]]:
    """What the scripts say, run by node (they touch no page in these functions)."""
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed; the same is seen in the browser tests")
    given = json.dumps({"values": VALUES, "times": TIMES, "points": POINTS, "path": _path()})
    command = [node, "--experimental-default-type=module", "--input-type=module", "-e", SCRIPT % {"js": JS}, "--", given]
    script = subprocess.run([c for c in command if c != "--"], capture_output=True, text=True, timeout=30, check=False)
    assert script.returncode == 0, script.stderr
    said: dict[str, list[str]] = json.loads(script.stdout)
    return said


def test_sizes(browser: dict[str, list[str]]) -> None:
    assert browser["en"] == [wv.bytes_plain(value) for value in VALUES]
    with translation.override("ru"):
        assert browser["ru"] == [wv.bytes_plain(value) for value in VALUES]


def test_used_of_total(browser: dict[str, list[str]]) -> None:
    assert browser["of"] == [re.sub("<[^>]*>", "", wv.of_(value, 64 * 2**30)) for value in VALUES]


def test_times(browser: dict[str, list[str]]) -> None:
    assert browser["times"] == [wv._coarse(seconds) for seconds in TIMES]


def test_sparklines(browser: dict[str, list[str]]) -> None:
    assert browser["drawn"] == _path()
    assert browser["parsed"] == POINTS


def _path() -> str:
    found = re.search(' d="([^"]*)"', wv.spark(POINTS))
    assert found
    return found[1]
