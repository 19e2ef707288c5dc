"""Consoles: how soon the first picture is there, what the bridge adds to each key and takes from each picture, what many cost, what is left over."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from tests import consoles, processes
from tests.bench.display import ECHO, STREAM, STREAM_OF_10_GBIT
from tests.bench.figures import Figure, Spread
from tests.browser import kit
from tests.consoles import Door, Socket
from tests.lab.fleet import Fleet
from tests.lab.guests import Recipe
from tests.lab.lab import SSH_PORT, Lab
from tests.stack import ROOT, Credentials, Stack
from tests.waiting import wait_until
from tests.websession import WebSession

CLICKS = 15
STREAMS = 11
OPENINGS, ROUND_TRIPS, STREAM_MB, AT_ONCE, IN_A_ROW = 20, 2000, 1024, 200, 1000
MACHINES = 40
IDLE_SECONDS = 10.0
FIRST_PIXEL_MS, FIRST_PIXEL_SSH_MS, ADDED_US = 700.0, 1200.0, 1000.0
THROUGHPUT_PERCENT = 80.0


def measure() -> Iterator[Figure]:
    """A stack of its own, with a real host by its socket, the same kind by SSH, and machines whose display is ours."""
    with ExitStack() as ending:
        lab = Lab.start(2)
        ending.callback(lab.down)
        display = subprocess.Popen([sys.executable, "-m", "tests.bench.display"], stdout=subprocess.PIPE, cwd=ROOT)
        ending.callback(display.kill)
        assert display.stdout
        port = int(display.stdout.readline())
        fleet = Fleet(1)
        ending.callback(fleet.down)
        fleet[0].populate(MACHINES, running=MACHINES)
        stack = Stack.start({"BENCH_DISPLAY": str(port)}, entry=("-m", "tests.bench.display"))
        ending.callback(stack.stop)
        yield from _first_pixels(stack, lab)
        people = _people(stack, fleet)
        yield from _bytes(stack, people[0], port)
        yield from _many(stack, people)
        yield from _in_a_row(stack, people)


def _first_pixels(stack: Stack, lab: Lab) -> Iterator[Figure]:
    far = lab["h2"].ssh_endpoint
    stack.add_host("near", lab["h1"].uri)
    stack.add_host("far", f"qemu+ssh://{far.user}@{far.host}:{far.port}/system", "--key-file", str(far.private_key), "--host-key", far.host_key)
    for host, name, goal in (("h1", "near", FIRST_PIXEL_MS), ("h2", "far", FIRST_PIXEL_SSH_MS)):
        lab[host].define(Recipe(f"screen-{name}"), start=True)
        wait_until("it runs", lambda name=name: _is_shown(stack, f"screen-{name}"), seconds=60)  # type: ignore[misc]
        machine = stack.machine(f"screen-{name}")["id"]
        first, *later = [_first_pixel(stack.web, machine) for _ in range(OPENINGS)]
        where = "by its socket" if host == "h1" else "over SSH"
        spread = Spread.of(later)
        yield Figure("ticket asked → first pixel, first", where, first * 1000, "ms")
        yield Figure("ticket asked → first pixel, p50", where, spread.p50, "ms", goal)
        yield Figure("ticket asked → first pixel, p95", where, spread.p95, "ms")
        yield Figure("click in the list → first pixel in the browser, p50", where, Spread.of(_clicks(stack, machine)).p50, "ms", goal)


def _clicks(stack: Stack, machine: int) -> list[float]:
    """A person's own way: the button in the list, a tab of its own, the page, the ticket, the picture."""
    found = []
    with sync_playwright() as playwright:
        browser = kit.launch(playwright)
        tab = kit.Tab(browser, stack, kit.sign_in(browser, stack, stack.administrator))
        page = tab.open("/machines/")
        for _ in range(CLICKS):
            began = time.perf_counter()
            with page.expect_popup() as opening:
                page.click(f'a[target="console-{machine}"]')
            opening.value.wait_for_function(consoles.DRAWN, timeout=60_000)
            found.append(time.perf_counter() - began)
            opening.value.close()
        browser.close()
    return found


def _is_shown(stack: Stack, name: str) -> bool:
    row = stack.machine(name)
    return row["state"] == "running" and row["graphics"] != "[]"


def _first_pixel(web: WebSession, machine: int) -> float:
    began = time.perf_counter()
    ticket = consoles.ask(web, machine, kind="vnc")["tickets"][0]
    with Socket(Door.of(web), ticket) as console:
        screen = consoles.greet(console)
        console.send(struct.pack(">BxHi", 2, 1, 0) + struct.pack(">BBHHHH", 3, 0, 0, 0, screen.width, screen.height))
        console.exactly(20)
        return time.perf_counter() - began


def _people(stack: Stack, fleet: Fleet) -> list[WebSession]:
    """Ten, for nobody may open two hundred; and the test driver's machines say that they have a screen."""
    stack.add_hosts({fleet[0].name: fleet[0].uri})
    wait_until("all machines are known", lambda: len(_machines(stack)) == MACHINES, seconds=60)
    stack.manage("shell", "-c", "from machines.models import Machine; Machine.objects.filter(name__startswith='thost').update(graphics=[{'kind': 'vnc'}])")
    found = []
    for number in range(10):
        person = Credentials(f"person{number}", stack.administrator.password)
        stack.add_person(person, role="operator")
        found.append(WebSession(stack.url))
        found[-1].sign_in(person.name, person.password)
    return found


def _machines(stack: Stack) -> list[int]:
    return [row["id"] for row in stack.rows("SELECT id FROM machines_machine WHERE name LIKE 'thost%' AND state = 'running'")]


def _bytes(stack: Stack, person: WebSession, port: int) -> Iterator[Figure]:
    machine = _machines(stack)[0]
    direct = Direct(port)
    with direct, _open(person, machine) as bridged:
        ways: list[tuple[str, Direct | Socket]] = [("direct", direct), ("bridged", bridged)]
        trips = {name: median(_round_trips(way)) * 1e6 for name, way in ways}
        yield Figure("round trip p50, straight to the display", "loopback", trips["direct"], "µs")
        yield Figure("round trip p50, through the bridge", "loopback", trips["bridged"], "µs")
        yield Figure("round trip p50, added", "loopback", trips["bridged"] - trips["direct"], "µs", ADDED_US)
        for where, command in (("as over 10 Gbit/s", STREAM_OF_10_GBIT), ("loopback", STREAM)):
            # In turn, so that what else the machine does falls on both, and each turn has its own share: medians of them.
            turns = [{name: _rate(way, command) for name, way in ways} for _ in range(STREAMS)]
            for name, words in (("direct", "straight to the display"), ("bridged", "through the bridge")):
                yield Figure(f"throughput, {words}", where, median(turn[name] for turn in turns), "MB/s")
            share = 100 * median(turn["bridged"] / turn["direct"] for turn in turns)
            yield Figure(f"throughput given away (promise: at most {100 - THROUGHPUT_PERCENT:g})", where, 100 - share, "%", 100 - THROUGHPUT_PERCENT)


class Direct(Socket):
    """The display itself, without anything between."""

    def __init__(self, port: int) -> None:
        import socket

        self.raw = socket.create_connection(("127.0.0.1", port))
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream, self._buffer = b"", b""
        consoles.greet(self)

    def send(self, data: bytes, *, opcode: int = 2, fin: bool = True) -> None:
        self.raw.sendall(data)

    def receive(self) -> bytes:
        return self.raw.recv(1 << 18)


def _open(person: WebSession, machine: int) -> Socket:
    asked = consoles.ask(person, machine, kind="vnc")
    assert asked["status"] == 201, asked
    console = Socket(Door.of(person), asked["tickets"][0], seconds=60)
    consoles.greet(console)
    return console


def _round_trips(way: Socket) -> list[float]:
    found = []
    for number in range(ROUND_TRIPS):
        began = time.perf_counter()
        way.send(ECHO + struct.pack(">Q", number))
        way.exactly(9)
        found.append(time.perf_counter() - began)
    return found


def _rate(way: Socket, command: bytes) -> float:
    """Megabytes a second; frames are not taken apart, only counted (their heads are 0.004 % of it)."""
    size, got = STREAM_MB << 20, 0
    buffer = memoryview(bytearray(1 << 20))
    began = time.perf_counter()
    way.send(command + struct.pack(">Q", size))
    while got < size:
        got += way.raw.recv_into(buffer)
    taken = time.perf_counter() - began
    way.raw.settimeout(0.5)
    with suppress(TimeoutError):  # the heads
        while way.raw.recv_into(buffer):
            pass
    way.raw.settimeout(60)
    return size / taken / 1e6


def _many(stack: Stack, people: list[WebSession]) -> Iterator[Figure]:
    machines, bridge = _machines(stack), stack.pid("consolebridge")
    memory, threads = processes.pss_bytes(bridge), _threads(bridge)
    began = time.perf_counter()
    with ExitStack() as opened:
        with ThreadPoolExecutor(len(people)) as pool:
            of_each = AT_ONCE // len(people)
            work = [(person, [machines[(number * of_each + n) % len(machines)] for n in range(of_each)]) for number, person in enumerate(people)]
            for found in pool.map(lambda one: [opened.enter_context(_open(one[0], machine)) for machine in one[1]], work):
                assert len(found) == of_each
        yield Figure(f"to open {AT_ONCE}, ten people at once", "bridge", time.perf_counter() - began, "s")
        yield Figure("memory for each console", f"{AT_ONCE} at once", (processes.pss_bytes(bridge) - memory) / AT_ONCE / 1e3, "kB")
        yield Figure("memory of the bridge (PSS), before", f"{AT_ONCE} at once", memory / 1e6, "MB")
        yield Figure("threads for each console", f"{AT_ONCE} at once", (_threads(bridge) - threads) / AT_ONCE, "")
        yield Figure("processor while nobody does anything", f"{AT_ONCE} at once", _busy(bridge), "% of a core")
    wait_until("all are closed", lambda: not _open_rows(stack), seconds=60, every=0.2)


def _in_a_row(stack: Stack, people: list[WebSession]) -> Iterator[Figure]:
    machines, bridge = _machines(stack), stack.pid("consolebridge")
    far = stack.machine("screen-far")["id"]
    with _open(stack.web, far):
        pass  # the tunnel stands
    wait_until("all are closed", lambda: not _open_rows(stack), seconds=60, every=0.2)
    before = (_descriptors(bridge), _threads(bridge), _tunnels(bridge))
    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:

        def some(number: int) -> None:
            for turn in range(IN_A_ROW // len(people)):
                # One in ten goes through the tunnel.
                if turn % 10 == 0 and number == 0:
                    with _open(stack.web, far):
                        pass
                with _open(people[number], machines[(number + turn) % len(machines)]):
                    pass

        list(pool.map(some, range(len(people))))
    yield Figure(f"opened and closed, {IN_A_ROW} in a row, each", "bridge", (time.perf_counter() - began) / IN_A_ROW * 1000, "ms")
    wait_until("all are closed", lambda: not _open_rows(stack), seconds=60, every=0.2)
    counts: list[tuple[str, Callable[[int], int]]] = [("descriptors", _descriptors), ("threads", _threads), ("SSH connections", _tunnels)]
    for (name, count), had in zip(counts, before, strict=True):
        with suppress(AssertionError):
            wait_until(f"{name} are as before", lambda count=count, had=had: count(bridge) <= had, seconds=20, every=0.5)  # type: ignore[misc]
        yield Figure(f"{name} left over (before: {had})", f"after {IN_A_ROW}", count(bridge) - had, "", 0.0)


def _open_rows(stack: Stack) -> int:
    return len(stack.rows("SELECT 1 FROM consoles_consolesession WHERE closed_at IS NULL"))


def _busy(pid: int) -> float:
    def seconds() -> float:
        process = processes.read(pid)
        assert process
        return process.cpu_seconds

    before = seconds()
    time.sleep(IDLE_SECONDS)
    return 100 * (seconds() - before) / IDLE_SECONDS


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def _tunnels(pid: int) -> int:
    """Its connections to an SSH server of the lab."""
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    inodes = {line[9] for line in lines if line[2].endswith(f":{SSH_PORT:04X}")}
    mine = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with suppress(OSError):
            mine.add(os.readlink(f"/proc/{pid}/fd/{descriptor}").removeprefix("socket:[").removesuffix("]"))
    return len(inodes & mine)
