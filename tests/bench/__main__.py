"""``script/bench``: a fleet of test hosts in growing sizes, the real stack, and what they cost.

Parts: ``sync``, ``pages``, ``events``, ``idle``, ``mute``; and, once, each with a stack of its own, those of ALONE.
Each size uses the same stack; hosts are added from size to size.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import consoles, creation, drain, events, load, machine, migration, pages, report, sync, uploads
from tests.bench.figures import Figure
from tests.lab.fleet import Fleet
from tests.stack import Credentials, Stack
from tests.waiting import wait_until
from tests.websession import WebSession

ALONE = {
    "consoles": consoles.measure,
    "creation": creation.measure,
    "uploads": uploads.measure,
    "migration": migration.measure,
    "drain": drain.measure,
}
PARTS = ("sync", "pages", "events", "idle", "mute", *ALONE)
RUNNING_SHARE = 0.6
SOCKETS_A_PERSON = 50
IDLE_SECONDS = 30.0
# What the project promises, on two cores.
IDLE_STACK_MB = 500.0
WATCHER_PERCENT_OF_A_CORE = 25.0
PUSH_P50_MS, PUSH_P95_MS = 30.0, 100.0
PUSH_P95_LARGE_MS = 250.0


def main() -> int:
    """The exit status: 1 when a promise was missed."""
    options = _options()
    described = machine.describe()
    print("\n".join(f"{name:>10}  {value}" for name, value in described.items()), flush=True)
    figures: list[Figure] = []
    for figure in _figures(options):
        figures.append(figure)
        print(f"  {figure.where}  {figure.what}: {figure.value:.1f} {figure.unit}", file=sys.stderr, flush=True)
    print(f"\n{report.table(figures)}\n")
    print("\n".join(report.NOTES))
    report.write_json(options.json, figures, described)
    print(f"\nAs JSON: {options.json}")
    missed = sum(not figure.met for figure in figures)
    print(f"{missed} promises missed." if missed else "Every promise kept.")
    return 1 if missed else 0


def _figures(options: Options) -> Iterator[Figure]:
    for name, measure in ALONE.items():
        if name in options.only:
            yield from measure()
    if not set(options.only) <= ALONE.keys():
        with _bench(options) as bench:
            for hosts in options.hosts:
                yield from bench.run(hosts)


@dataclass(frozen=True)
class Options:
    hosts: tuple[int, ...]
    machines: int
    sockets: tuple[int, ...]
    mute: int
    only: tuple[str, ...]
    json: Path


@dataclass
class Bench:
    """A running stack and its fleet."""

    options: Options
    stack: Stack
    fleet: Fleet
    session: WebSession
    people: Sequence[WebSession]

    def run(self, hosts: int) -> Iterator[Figure]:
        """Every part that was asked for, at this number of hosts."""
        where = f"{hosts}×{self.options.machines}"
        parts: dict[str, Callable[[str], Iterator[Figure]]] = {
            "pages": self._pages,
            "events": self._events,
            "idle": self._idle,
            "mute": self._mute,
        }
        yield from self._grow(hosts, where)
        for name, part in parts.items():
            if name in self.options.only:
                yield from part(where)

    def _grow(self, hosts: int, where: str) -> Iterator[Figure]:
        known = len(self.fleet)
        self.fleet.grow(hosts)
        for host in self.fleet.hosts[known:]:
            host.populate(self.options.machines, running=round(self.options.machines * RUNNING_SHARE))
        self.stack.add_hosts({host.name: host.uri for host in self.fleet.hosts[known:]})
        total = hosts * self.options.machines
        wait_until(f"all {total} machines are known", lambda: self._known_machines() >= total, seconds=120 + total / 20, every=0.5)
        if "sync" in self.options.only:
            added = {host.name for host in self.fleet.hosts[known:]}
            yield from sync.measure(self.stack, self.options.machines, hosts=added, where=where)

    def _pages(self, where: str) -> Iterator[Figure]:
        yield from pages.measure(self.session, self._paths(), where=where)

    def _mute(self, where: str) -> Iterator[Figure]:
        """Some hosts fall silent: right then, and again when they are known to be away."""
        silent = self.fleet.hosts[-self.options.mute :]
        if len(silent) == len(self.fleet):
            return
        for host in silent:
            host.freeze()
        try:
            yield from pages.measure(self.session, self._paths(), where=f"{where}, {len(silent)} just mute")
            wait_until("the mute hosts are shown as away", lambda: self._away() == {host.name for host in silent}, seconds=60, every=0.5)
            yield from pages.measure(self.session, self._paths(), where=f"{where}, {len(silent)} mute")
        finally:
            for host in silent:
                host.thaw()
        wait_until("all hosts are back", lambda: not self._away(), seconds=90, every=0.5)

    def _events(self, where: str) -> Iterator[Figure]:
        targets = self._targets()
        cookies = [person.cookie for person in self.people]
        for sockets in self.options.sockets:
            outcome = asyncio.run(events.measure(self.session.address, cookies, targets, sockets=sockets))
            here = f"{where}, {sockets} sockets"
            small = len(self.fleet) == 1
            yield Figure("event → push p50", here, outcome.spread.p50, "ms", PUSH_P50_MS if small else None)
            yield Figure("event → push p95", here, outcome.spread.p95, "ms", PUSH_P95_MS if small else PUSH_P95_LARGE_MS)
            yield Figure("event → push worst", here, outcome.spread.worst, "ms")
            yield Figure("pushes missed", here, outcome.missed, "", 0.0)

    def _idle(self, where: str) -> Iterator[Figure]:
        """Nobody asks for anything; the watcher follows and samples all hosts."""
        busy = load.cores_busy(self.stack, seconds=IDLE_SECONDS)
        for name, share in sorted(busy.items()):
            promised = WATCHER_PERCENT_OF_A_CORE if name == "webvirt-watcher" else None
            yield Figure(f"idle: {name}", where, share * 100, "% of a core", promised)
        memory = load.memory_bytes(self.stack)
        for name, taken in sorted(memory.items()):
            yield Figure(f"memory (PSS): {name}", where, taken / 1e6, "MB")
        yield Figure("memory (PSS): whole stack", where, memory.total() / 1e6, "MB", IDLE_STACK_MB)

    def _paths(self) -> dict[str, str]:
        some_machine = self.stack.machine(f"{self.fleet[0].name}-m000")["id"]
        some_host = self.stack.host(self.fleet[0].name)["id"]
        return {
            "machines": "/machines/",
            "machines, by CPU": "/machines/?sort=-cpu",
            "machines, found": "/machines/?q=m042",
            "dashboard": "/",
            "machine": f"/machines/{some_machine}/",
            "host": f"/hosts/{some_host}/",
        }

    def _targets(self) -> list[events.Target]:
        ids = {row["uuid"]: row["id"] for row in self.stack.rows("SELECT uuid, id FROM machines_machine")}
        return [events.Target(host, uuid, ids[uuid]) for host in self.fleet.hosts for uuid in host.running()]

    def _known_machines(self) -> int:
        return int(self.stack.rows("SELECT count(*) AS n FROM machines_machine WHERE gone_at IS NULL")[0]["n"])

    def _away(self) -> set[str]:
        return {row["name"] for row in self.stack.rows("SELECT name FROM hosts_host WHERE state != 'online'")}


@contextmanager
def _bench(options: Options) -> Iterator[Bench]:
    fleet = Fleet(0)
    stack = None
    try:
        stack = Stack.start(entry=("-m", "tests.bench.product"))
        session = _signed_in(stack, stack.administrator)
        yield Bench(options, stack, fleet, session, _people(stack, max(options.sockets)))
    finally:
        if stack is not None:
            stack.stop()
        fleet.down()


def _people(stack: Stack, sockets: int) -> list[WebSession]:
    """As many as it takes: one person may have a limited number of pages open."""
    found = []
    for number in range(-(-sockets // SOCKETS_A_PERSON)):
        person = Credentials(f"watching{number}", stack.administrator.password)
        stack.add_person(person, role="viewer")
        found.append(_signed_in(stack, person))
    return found


def _signed_in(stack: Stack, person: Credentials) -> WebSession:
    session = WebSession(stack.url)
    session.sign_in(person.name, person.password)
    return session


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="1,10,100", help="sizes, each at least as large as the one before (default: %(default)s)")
    parser.add_argument("--machines", type=int, default=100, help="machines on each host (default: %(default)s)")
    parser.add_argument("--sockets", default="1,200", help="open pages while events are timed (default: %(default)s)")
    parser.add_argument("--mute", type=int, default=5, help="hosts that fall silent (default: %(default)s)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the JSON goes (default: %(default)s)")
    given = parser.parse_args()
    hosts = _numbers(given.hosts)
    only = tuple(given.only.split(","))
    if list(hosts) != sorted(hosts):
        parser.error("--hosts must grow from size to size")
    if unknown := set(only) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return Options(hosts, given.machines, _numbers(given.sockets), given.mute, only, given.json)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
