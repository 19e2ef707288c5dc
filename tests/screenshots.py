"""Takes the pictures of docs/screenshots: three real hosts, guests that really run, the real stack, a real browser. Run by script/screenshots."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from tests.browser import kit
from tests.lab.guests import Image, Recipe, build_image
from tests.lab.lab import Lab
from tests.stack import Stack
from tests.waiting import wait_until

# Enough for a curve in the charts.
CHART_SECONDS = 90
WIDE = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)
NAMES = {
    "h1": ("web-1", "web-2", "build-7", "gitlab"),
    "h2": ("db-primary", "db-replica", "mail", "vpn-gateway"),
    "h3": ("ci-runner-1", "ci-runner-2", "old-crm", "sandbox"),
}
RUNNING = {"web-1", "web-2", "db-primary", "mail", "ci-runner-1"}
GUESTS = {"web-1", "db-primary"}


def main(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    lab = Lab.start(3)
    stack = None
    try:
        stack = Stack.start()
        _fill(lab, stack, build_image())
        time.sleep(CHART_SECONDS)
        _take(stack, target)
    finally:
        if stack:
            stack.stop()
        lab.sweep()
        lab.down()


def _fill(lab: Lab, stack: Stack, image: Image) -> None:
    for host in lab.hosts:
        for name in NAMES[host.name]:
            host.define(Recipe(name, image=image if name in GUESTS else None), start=name in RUNNING)
        stack.add_host(host.name, host.uri)
    for name in itertools.chain.from_iterable(NAMES.values()):
        wait_until(f"{name} is seen", lambda name=name: stack.machine(name), seconds=60)  # type: ignore[misc]


def _take(stack: Stack, target: Path) -> None:
    machine = f"/machines/{stack.machine('web-1')['id']}/"
    pictures = [
        ("dashboard-light", "/", WIDE, "light"),
        ("machines-light", "/machines/", WIDE, "light"),
        ("machine-dark", machine, WIDE, "dark"),
        ("machines-phone-dark", "/machines/", PHONE, "dark"),
    ]
    with sync_playwright() as playwright:
        browser = kit.launch(playwright)
        state = kit.sign_in(browser, stack, stack.administrator)
        for name, path, viewport, scheme in pictures:
            tab = kit.Tab(browser, stack, state, viewport=viewport, color_scheme=scheme)
            page = tab.open(path)
            # The first numbers arrive with the next sample.
            page.wait_for_timeout(8000)
            page.screenshot(path=target / f"{name}.png")
            tab.close()
            print(target / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
