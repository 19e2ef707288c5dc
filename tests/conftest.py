"""What tests of every room share: the lab of real hosts, the fleet of test daemons, the tiny guest, the real stack, a browser on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import kit
from tests.lab.fleet import Fleet
from tests.lab.guests import Image, build_image
from tests.lab.lab import Lab
from tests.stack import ROOT, Stack
from tests.waiting import wait_until
from webvirt import redis_server


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


@pytest.fixture(scope="session")
def redis() -> Iterator[Path]:
    """The Redis of tests inside this process: the settings' own socket answers while the session lasts."""
    path = Path(settings.REDIS_URL.removeprefix("unix://"))
    path.parent.mkdir(mode=0o700, exist_ok=True)
    become = "import sys, pathlib; from webvirt import redis_server as r; r.become_server(r.server_binary(), pathlib.Path(sys.argv[1]))"
    server = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", sys.executable, "-c", become, str(path)], cwd=ROOT)
    wait_until("Redis answers", lambda: redis_server.answers(path))
    yield path
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The real stack, shared by all tests that leave it whole. A module that kills its processes overrides this with a stack of its own."""
    stack = Stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Not longer than a module: while it lives, this thread has a running event loop, and asynchronous tests could not have theirs."""
    with sync_playwright() as playwright:
        browser = kit.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def new_tab(browser: Browser, stack: Stack) -> Iterator[Callable[..., kit.Tab]]:
    """``new_tab()``: a signed-in tab of the administrator's; takes the options of a Playwright context. What went wrong in it fails the test."""
    if stack.browser_state is None:
        stack.browser_state = kit.sign_in(browser, stack, stack.administrator)
    tabs: list[kit.Tab] = []

    def open_tab(**options: Any) -> kit.Tab:
        tabs.append(kit.Tab(browser, stack, stack.browser_state, **options))
        return tabs[-1]

    yield open_tab
    for each in tabs:
        each.close()


@pytest.fixture
def tab(new_tab: Callable[..., kit.Tab]) -> kit.Tab:
    """One signed-in tab on a desktop's screen."""
    return new_tab()


@pytest.fixture
def page(tab: kit.Tab) -> Page:
    """The Playwright page of ``tab``."""
    return tab.page


def _no_namespaces() -> str:
    if os.geteuid() != 0:
        return "root is needed"
    missing = [tool for tool in ("libvirtd", "qemu-system-x86_64", "sshd", "ip", "socat", "virsh") if shutil.which(tool) is None]
    if missing:
        return f"missing: {', '.join(missing)}"
    made = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True)
    return made.stderr.strip() if made.returncode else ""
