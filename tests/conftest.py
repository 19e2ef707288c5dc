"""What tests of every room share: the lab of real hosts, the fleet of test daemons, the tiny guest."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.lab.fleet import Fleet
from tests.lab.guests import Image, build_image
from tests.lab.lab import Lab


@pytest.fixture(scope="session")
def namespaces() -> None:
    """This machine lets us make hosts in namespaces. Elsewhere the test is skipped; in CI that would be a hole, so it fails."""
    problem = _no_namespaces()
    if problem and os.environ.get("CI") == "true":
        pytest.fail(f"the lab can't run here, and in CI it must: {problem}")
    if problem:
        pytest.skip(f"the lab can't run here: {problem}")


@pytest.fixture(scope="session")
def lab(namespaces: None) -> Iterator[Lab]:
    """Three real hosts, h1 to h3, with libvirt and QEMU."""
    lab = Lab.start(3)
    yield lab
    lab.down()


@pytest.fixture(scope="session")
def tiny_guest() -> Image:
    """A Linux guest that boots in seconds under emulation, with an agent."""
    return build_image()


@pytest.fixture(scope="module")
def fleet(namespaces: None) -> Iterator[Callable[[int], Fleet]]:
    """``fleet(n)``: n daemons of libvirt's test driver, ended with the module."""
    fleets: list[Fleet] = []

    def start(count: int) -> Fleet:
        fleets.append(Fleet(count))
        return fleets[-1]

    yield start
    for each in fleets:
        each.down()


def _no_namespaces() -> str:
    if os.geteuid() != 0:
        return "root is needed"
    missing = [tool for tool in ("libvirtd", "qemu-system-x86_64", "sshd", "ip", "socat", "virsh") if shutil.which(tool) is None]
    if missing:
        return f"missing: {', '.join(missing)}"
    made = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True)
    return made.stderr.strip() if made.returncode else ""
