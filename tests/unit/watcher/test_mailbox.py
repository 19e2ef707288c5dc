"""Events are gathered for each machine, soon for a calm one, rarely for one that never ends."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from virt.events import Event
from watcher.mailbox import Batch, Mailbox


def _event(uuid: str = "u1", event: str = "started", kind: str = "domain", detail: str = "") -> Event:
    return Event(kind, uuid, "web", event, detail, datetime.now(UTC))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_came_together_is_one_look_with_its_events_in_order() -> None:
    box = Mailbox()
    for event in (_event(event="resumed"), _event("u2"), _event(event="started")):
        box.put(event)
    batch = box.take(0)
    assert {uuid: [event.event for event in events] for uuid, events in batch.looks.items()} == {"u1": ["resumed", "started"], "u2": ["started"]}
    assert box.take(0).looks == {}


def test_an_event_wakes_the_thread_that_waits_at_once() -> None:
    box = Mailbox()
    threading.Timer(0.05, lambda: box.put(_event())).start()
    began = time.monotonic()
    assert list(box.take(5).looks) == ["u1"]
    assert time.monotonic() - began < 1


def test_nothing_within_the_time_is_an_empty_batch() -> None:
    batch = Mailbox().take(0.01)
    assert (batch.looks, batch.news, batch.stirred, batch.wishes, batch.closed) == ({}, [], set(), set(), "")


def test_pools_networks_and_the_link_itself() -> None:
    box = Mailbox()
    box.put(_event(kind="pool"))
    assert box.take(0).stirred == {"pool"}
    box.put(_event(kind="node-device"))
    assert box.take(0).stirred == {"node-device"}
    box.put(_event(kind="network"))
    box.wish(["snapshots"])
    assert (batch := box.take(0)).stirred == {"network"} and batch.wishes == {"snapshots"}
    assert box.take(0) == Batch()
    box.put(_event(kind="connection-closed", detail="keepalive"))
    assert box.take(0).closed == "keepalive"


def test_a_later_look_waits_for_its_time_unless_an_event_comes_first() -> None:
    clock = Clock()
    box = Mailbox(clock)
    box.look("u1", after=2)
    assert box.take(0).looks == {}
    clock.now += 2
    assert box.take(0).looks == {"u1": ()}
    box.look("u1", after=2)
    box.put(_event())
    assert len(box.take(0).looks["u1"]) == 1


def test_a_machine_whose_events_never_end_is_looked_at_a_few_times_a_second_and_keeps_nobody_waiting() -> None:
    clock = Clock()
    box = Mailbox(clock)
    looks = 0
    for _ in range(3000):  # three seconds, an event each millisecond
        clock.now += 0.001
        box.put(_event("storm", "reboot"))
        box.put(_event("calm") if _ % 1000 == 0 else _event("storm", "reboot"))
        batch = box.take(0)
        looks += "storm" in batch.looks
        assert "calm" in batch.looks or _ % 1000 != 0
    assert 60 <= looks <= 80


def test_of_a_flood_the_first_and_the_newest_events_are_kept() -> None:
    box = Mailbox()
    for number in range(500):
        box.put(_event(detail=str(number)))
    events = box.take(0).looks["u1"]
    assert len(events) <= 64
    assert (events[0].detail, events[-1].detail) == ("0", "499")
