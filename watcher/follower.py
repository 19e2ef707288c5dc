"""One host, followed by a thread of its own: connect, subscribe, look at everything, then at what changes; and again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from hosts import inventory as host_inventory
from hosts.inventory import ONLINE, Standing
from hosts.models import HostSample, State
from live import facts, rollup
from live.wishes import GUEST
from machines import inventory
from machines.hardware import inventory as hardware
from machines.hardware.inventory import Live
from machines.inventory import Change, Known
from machines.models import MachineSample
from virt import connection as virt_connection
from virt import guest, machine
from virt.connection import Connection
from virt.errors import GuestSilent, HostUnreachable, NotFound, VirtError, WrongState
from virt.events import Event
from virt.guest import Address, Told
from virt.machine import MachineSeen
from virt.network import Lease
from virt.uri import DEFAULT_PORTS
from watcher.backoff import Backoff
from watcher.guests import Guests, Questions
from watcher.life import KEEPALIVE, OPEN_DEADLINE, Life
from watcher.link import Link
from watcher.mailbox import Mailbox
from watcher.sampler import Minute, Sampler
from watcher.studies import Study, stirred_by
from watcher.target import Target
from watcher.writer import Roster, Stopped, Writer

logger = logging.getLogger(__name__)

Seconds = float

# After a migration libvirt removes the machine from its first host without an event.
_LOOK_AGAIN_AFTER_MIGRATION: tuple[Seconds, ...] = (2.0, 10.0)
# A machine that was moved away stays the row of this host until its new one has shown it, or for so long.
_LEAVING: Seconds = 1.9
_LOOK_AGAIN_AFTER_FAILURE: Seconds = 5.0
_CLOSED = {
    "closed by the host": "The host closed the connection: libvirt was stopped, or restarts.",
    "keepalive": "The host answers no more.",
}
_STUDY_AFTER: Seconds = 0.3  # what comes together is read once
_LONGEST_WAIT_FOR_TURN: Seconds = 8.0
_AGENT_PATIENCE: Seconds = 12.0  # libvirt waits five seconds for an agent that hangs


class Follower:
    """`start()` and `stop()` return at once. Everything that is seen goes to the writer."""

    def __init__(self, target: Target, writer: Writer, helpers: Executor, turns: threading.Semaphore) -> None:
        self.target = target
        self._writer = writer
        self._helpers = helpers
        self._turns = turns
        self._known: dict[str, Known] = {}
        self._differing: set[str] = set()  # machines that run with something else than what is stored
        self._arriving: set[str] = set()  # libvirt made room for them: they come from another host
        self._leaving: dict[str, Seconds] = {}  # moved away, until when nothing is said of them
        self._roster = Roster()
        self._host_known: dict[str, Any] = {}
        self._standing: Standing | None = None
        self._seen_at: datetime | None = None
        self._stopping = threading.Event()
        self._backoff = Backoff()
        self._mailbox = Mailbox()
        self._guests = Guests()
        self._sampler = Sampler(target.pk, self._roster.ids, self._keep_minute)
        self._thread = threading.Thread(target=self._run, name=f"host-{target.pk}", daemon=True)

    # ── from the supervisor ──

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; what it still sees counts no more once the lease is given back."""
        self._stopping.set()
        self._mailbox.wake()

    def join(self, timeout: Seconds) -> None:
        self._thread.join(timeout)

    def adopt(self, target: Target) -> None:
        """Another name or other notes: the connection stays."""
        self.target = target

    def wish(self, names: Iterable[str]) -> None:
        """Have studies read again soon."""
        self._mailbox.wish(names)

    def look(self, machine_id: int) -> None:
        """Look at a machine for which there may have been no event."""
        for uuid, pk in list(self._roster.ids.items()):
            if pk == machine_id:
                self._mailbox.look(uuid)

    @property
    def state(self) -> str:
        """The state that was last written, "" before the first attempt ended."""
        return self._standing.state if self._standing else ""

    @property
    def machine_ids(self) -> list[int]:
        return [pk for uuid, pk in list(self._roster.ids.items()) if (known := self._known.get(uuid)) and not known.gone]

    # ── the thread ──

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = self._live()
            except Stopped:
                return
            except Exception:
                logger.exception("host=%s its thread stumbled", self.target.name)
                self._roster.spoilt = True
                pause = self._backoff.failed()
            self._stopping.wait(pause)

    def _live(self) -> Seconds:
        """One connection's life; returns the pause before the next."""
        try:
            link = Link(virt_connection.open(self.target.endpoint, self.target.credentials, deadline=OPEN_DEADLINE, keepalive=KEEPALIVE))
        except VirtError as exc:
            return self._give_up(exc)
        try:
            with Life(link, self._helpers, self.target) as life:
                self._follow(life)
        except VirtError as exc:
            return self._give_up(exc)
        finally:
            link.retire()
        return 0.0

    def _give_up(self, exc: VirtError) -> Seconds:
        """Say how it stands; the machines' rows stay as last seen."""
        if self._stopping.is_set():
            return 0.0
        standing = host_inventory.standing_of(exc)
        if standing.state == State.ALARM:
            standing = replace(standing, offered=_offered_key(self.target))
        pause = self._backoff.failed(refused=standing.state != State.OFFLINE)
        self._stand(standing)
        logger.info("host=%s %s: %s %s(next attempt in %.1f s)", self.target.name, standing.state, exc, f"[{exc.detail}] " if exc.detail else "", pause)
        return pause

    def _follow(self, life: Life) -> None:
        """1. events were subscribed first; 2. everything; 3. what changes, until the link breaks or we are to stop."""
        began = time.monotonic()
        self._mailbox, self._guests = life.mailbox, Guests()
        self._sync(life.connection)
        self._plan_guests()
        self._backoff.connected()
        self._stand(ONLINE)
        logger.info("host=%s online: %d machines, all seen after %.0f ms", self.target.name, len(self._known), (time.monotonic() - began) * 1000)
        life.errands.send("info", partial(self._ask_info, life), most=1)
        life.rounds.soon("stores", time.monotonic())
        for name in life.studies:
            life.rounds.soon(name, time.monotonic())
        while not self._stopping.is_set():
            self._step(life)

    def _step(self, life: Life) -> None:
        next_at = min(life.rounds.next_at(), self._guests.next_at())
        batch = life.mailbox.take(max(0.0, next_at - time.monotonic()))
        if self._stopping.is_set():
            return
        if batch.closed or not life.connection.is_alive():
            raise HostUnreachable(_CLOSED.get(batch.closed, "The connection broke."), batch.closed)
        if self._roster.spoilt:
            self._sync(life.connection)
        for uuid, hints in batch.looks.items():
            self._look(life, uuid, hints)
        for news in batch.news:
            news()
        self._plan_studies(life, batch.stirred, batch.wishes)
        self._go_rounds(life)

    def _go_rounds(self, life: Life) -> None:
        now = time.monotonic()
        for name in life.rounds.due(now):
            if name == "sample":
                life.errands.send("sample", self._sample)
            elif name == "glance":
                self._glance(life)
            elif name == "repair":
                life.studied.clear()  # read next, they are compared with their rows again
                self._sync(life.connection)
            elif name == "stores":
                life.errands.send("stores", partial(self._ask_stores, life), most=1)
                life.errands.send("leases", self._ask_leases, most=1)
            elif not life.errands.send(name, partial(self._read_study, life, life.studies[name]), most=1):
                life.rounds.within(name, _STUDY_AFTER, now)  # it is being read: what stirred it may have come too late for that
        if self._guests.leases_due(now):
            life.errands.send("leases", self._ask_leases, most=1)
            life.rounds.within("dhcp", _STUDY_AFTER, now)
        for question in self._guests.due(now):
            life.questions.put(question)
        if life.questions.waiting:
            life.errands.send("agents", partial(self._ask_agents, life.questions), patience=_AGENT_PATIENCE)

    # ── machines ──

    def _sync(self, connection: Connection) -> None:
        """Look at everything; what did not change is not even parsed.

        Hosts take turns: a hundred at once would hold all their XML in memory and be ready later. But none waits long
        for one that hangs.
        """
        if self._roster.spoilt:
            self._load()
        its_turn = self._turns.acquire(timeout=_LONGEST_WAIT_FOR_TURN)
        try:
            self._compare_all(machine.list_all(connection))
        finally:
            if its_turn:
                self._turns.release()

    def _compare_all(self, seen: Sequence[MachineSeen]) -> None:
        at = self._sighted()
        changes = [self._compared(each, (), at) for each in seen if not self._is_leaving(each.uuid)]
        missing = {uuid for uuid in self._known if not self._is_leaving(uuid)} - {each.uuid for each in seen}
        changes += [inventory.vanished(uuid, self._known[uuid], (), at) for uuid in missing]
        live = self._compare_hardware(seen)
        self._submit(changes)
        self._keep_hardware(live)

    def _load(self) -> None:
        rows = self._writer.ask(partial(inventory.load, self.target.pk))
        self._host_known = self._writer.ask(partial(host_inventory.load, self.target.pk))
        self._known = rows.known
        self._differing = self._writer.ask(partial(hardware.load, self.target.pk))
        self._roster.ids.clear()
        self._roster.ids.update(rows.ids)
        self._roster.spoilt = False

    def _look(self, life: Life, uuid: str, hints: Sequence[Event]) -> None:
        """An event is a hint: read the machine as it is now."""
        if not hints:
            self._miss_rows(life)
        try:
            seen = machine.read(life.connection, uuid)
        except HostUnreachable:
            raise
        except VirtError as exc:
            logger.warning("host=%s machine=%s can't be read: %s %s", self.target.name, uuid, exc, exc.detail)
            life.mailbox.look(uuid, after=_LOOK_AGAIN_AFTER_FAILURE)
            return
        at, known = self._sighted(), self._known.get(uuid)
        self._note_leaving(uuid, seen, hints)
        if self._is_leaving(uuid):
            pass
        elif seen:
            change = self._compared(seen, hints, at)
            live = self._compare_hardware([seen])
            self._submit([change])
            self._keep_hardware(live)
        elif known:
            self._submit([inventory.vanished(uuid, known, hints, at)])
        self._look_again_after(life, uuid, hints)

    def _compared(self, seen: MachineSeen, hints: Sequence[Event], at: datetime) -> Change | None:
        known, came = self._known.get(seen.uuid), seen.uuid in self._arriving
        if (known is None or known.gone) and inventory.is_arriving(seen):
            self._arriving.add(seen.uuid)
        else:
            self._arriving.discard(seen.uuid)
        return inventory.compare(known, seen, hints, at, came=came)

    def _note_leaving(self, uuid: str, seen: MachineSeen | None, hints: Sequence[Event]) -> None:
        """It went to another host: that one's sight is awaited, so that it is not said to be gone in between."""
        if any(hint.event == "stopped" and hint.detail == "migrated" for hint in hints) and not (seen and seen.state not in ("off", "crashed")):
            self._leaving[uuid] = time.monotonic() + _LEAVING
            self._arriving.discard(uuid)

    def _is_leaving(self, uuid: str) -> bool:
        until = self._leaving.get(uuid)
        if until is not None and time.monotonic() >= until:
            del self._leaving[uuid]
            return False
        return until is not None

    def _miss_rows(self, life: Life) -> None:
        """A machine that went over to another host took its row along, and may have come back without an event: nothing about it changed here."""
        if self._writer.ask(partial(inventory.count, self.target.pk)) < len(self._roster.ids):
            self._roster.spoilt = True
            self._sync(life.connection)

    def _look_again_after(self, life: Life, uuid: str, hints: Sequence[Event]) -> None:
        if any(hint.event == "started" for hint in hints):
            self._guests.started(uuid, time.monotonic())
        if any(hint.event == "stopped" and hint.detail == "migrated" for hint in hints):
            for after in _LOOK_AGAIN_AFTER_MIGRATION:
                life.mailbox.look(uuid, after=after)

    def _glance(self, life: Life) -> None:
        """Notice what came without an event, and have it looked at."""
        self._miss_rows(life)
        glances = machine.glance(life.connection)
        self._sighted()
        missing = {uuid for uuid, known in self._known.items() if not known.gone} - {each.uuid for each in glances}
        for uuid in [*missing, *(each.uuid for each in glances if inventory.differs(self._known.get(each.uuid), each))]:
            life.mailbox.look(uuid)

    def _compare_hardware(self, seen: Iterable[MachineSeen]) -> dict[str, Live | None]:
        """Of machines whose definitions are new to us, what takes effect at their next boot; asked before they are known."""
        fresh = [each for each in seen if not inventory.is_read(self._known.get(each.uuid), each)]
        return {each.uuid: live for each in fresh if (live := hardware.differing(each)) or each.uuid in self._differing}

    def _keep_hardware(self, found: dict[str, Live | None]) -> None:
        """After the machines' own rows."""
        if found:
            self._differing = {*(self._differing - found.keys()), *(uuid for uuid, live in found.items() if live)}
            self._writer.do(self.target.pk, partial(hardware.store, self.target.pk, found))

    def _submit(self, changes: Iterable[Change | None]) -> None:
        """Have changes written, and know them."""
        found = [change for change in changes if change]
        now = time.monotonic()
        for change in found:
            self._known[change.uuid] = change.after
            self._guests.answers_agent(change.uuid, bool(change.after.asks_agent), now)
        written = [change for change in found if change.is_written]
        if written:
            self._writer.change(self.target.pk, self._roster, written)

    def _sighted(self) -> datetime:
        self._seen_at = datetime.now(UTC)
        return self._seen_at

    # ── guests: asked by helpers, compared by this thread ──

    def _plan_guests(self) -> None:
        """Those that did not change since the last connection are asked again too."""
        now = time.monotonic()
        for uuid, known in self._known.items():
            self._guests.answers_agent(uuid, bool(known.asks_agent), now)

    def _ask_agents(self, questions: Questions, connection: Connection) -> None:
        """Until nothing waits: a helper that is stuck with one agent leaves the rest to the next."""
        while question := questions.take():
            try:
                told: Told | None = guest.ask(connection, question.uuid, about_itself=question.about_itself)
            except GuestSilent:
                told = None
            except (NotFound, WrongState):
                continue
            self._mailbox.tell(partial(self._agent_said, question.uuid, told))

    def _agent_said(self, uuid: str, told: Told | None) -> None:
        known = self._known.get(uuid)
        self._guests.said(uuid, answered=told is not None, about_itself=bool(told and told.guest))
        if known:
            self._submit([inventory.asked(uuid, known, told.addresses if told else None, told.guest if told else None)])
        if known and told and told.report:
            self._writer.do(self.target.pk, partial(hardware.report, self.target.pk, uuid, told.report))

    def _ask_leases(self, connection: Connection) -> None:
        leases = connection.leases()
        self._mailbox.tell(partial(self._leased, leases))

    def _leased(self, leases: Sequence[Lease]) -> None:
        by_mac: dict[str, list[Address]] = {}
        for lease in leases:
            by_mac.setdefault(lease.mac, []).append(Address(lease.ip, lease.prefix, lease.mac, "lease"))
        changes = []
        for uuid, known in self._known.items():
            if known.active and known.macs:
                changes.append(inventory.leased(uuid, known, [address for mac in known.macs for address in by_mac.get(mac, ())]))
        self._submit(changes)

    # ── studies: read by helpers, kept by the writer ──

    def _plan_studies(self, life: Life, stirred: set[str], wishes: set[str]) -> None:
        now = time.monotonic()
        if not stirred.isdisjoint(("pool", "network")):
            life.rounds.soon("stores", now)
        for name in wishes:
            if name.startswith(GUEST):
                self._guests.wanted(name.removeprefix(GUEST), now)
        for name in (stirred_by(stirred) | wishes) & life.studies.keys():
            life.rounds.within(name, _STUDY_AFTER, now)

    def _read_study(self, life: Life, study: Study, connection: Connection) -> None:
        with life.reading(connection) as reader:
            seen = study.read(reader)
        self._mailbox.tell(partial(self._studied, life, study, seen))

    def _studied(self, life: Life, study: Study, seen: Any) -> None:
        if study.name not in life.studied or life.studied[study.name] != seen:
            life.studied[study.name] = seen
            self._writer.do(self.target.pk, partial(study.store, self.target.pk, seen))

    # ── the host itself ──

    def _ask_info(self, life: Life, connection: Connection) -> None:
        """Up to a minute on a fresh libvirtd, which tries its emulators first."""
        with life.reading(connection) as reader:
            described = host_inventory.described(reader.info())
        self._mailbox.tell(partial(self._host_told, described))

    def _ask_stores(self, life: Life, connection: Connection) -> None:
        with life.reading(connection) as reader:
            briefs = host_inventory.briefs(reader.pools(), reader.networks())
        self._mailbox.tell(partial(self._host_told, briefs))

    def _host_told(self, seen: dict[str, Any]) -> None:
        changed = host_inventory.changed(self._host_known, seen)
        if changed:
            self._host_known |= changed
            self._writer.do(self.target.pk, partial(_write_host, self.target.pk, changed))

    def _stand(self, standing: Standing) -> None:
        before, self._standing = self._standing, standing
        if standing != before:
            self._writer.do(self.target.pk, partial(_write_standing, self.target, standing, self._seen_at, self.machine_ids))

    # ── numbers ──

    def _sample(self, connection: Connection) -> None:
        self._sampler.take(connection)
        self._sighted()

    def _keep_minute(self, minute: Minute) -> None:
        self._writer.do(self.target.pk, partial(_write_minute, self.target.pk, minute, datetime.now(UTC)))


def _offered_key(target: Target) -> str:
    """The key that the host shows instead of the pinned one, for a person to compare; "" when it does not say."""
    from virt import probe  # its SSH library takes 20 MB: not for a fleet without an alarm

    endpoint = target.endpoint
    try:
        return probe.fetch_host_key(endpoint.host, endpoint.port or DEFAULT_PORTS["ssh"], deadline=OPEN_DEADLINE).line
    except VirtError as exc:
        logger.info("host=%s its new key could not be read: %s", target.name, exc)
        return ""


# ── what the writer does for us ──


def _write_host(host_id: int, changed: dict[str, Any]) -> None:
    host_inventory.write(host_id, changed)
    facts.publish([f"host:{host_id}", "hosts", "fleet"], "inventory", host_id=host_id)


def _write_standing(target: Target, standing: Standing, seen_at: datetime | None, machine_ids: list[int]) -> None:
    """Its machines are told of too: what is shown of them is now their last sight, or is fresh again."""
    if host_inventory.stand(target.pk, target.revision, standing, seen_at):
        topics = [f"host:{target.pk}", "hosts", "fleet", "machines", *(f"machine:{pk}" for pk in machine_ids)]
        facts.publish(topics, standing.state, host_id=target.pk, machine_ids=machine_ids)


def _write_minute(host_id: int, minute: Minute, seen_at: datetime) -> None:
    host_inventory.write_averages(host_id, seen_at, minute.latency_ms, minute.host)
    if minute.host:
        rollup.store(HostSample, "host", minute.at, {host_id: minute.host})
    if minute.machines:
        inventory.write_averages(minute.machines)
        rollup.store(MachineSample, "machine", minute.at, minute.machines)
