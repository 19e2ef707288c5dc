"""The one writer: in order, in few transactions, through trouble with the database, and only while the lease is held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from hosts import leases
from hosts.models import Host
from machines import inventory
from machines.chronicle import Line
from machines.inventory import Change, Known
from machines.models import Machine
from tests import inventory as rows
from tests.waiting import wait_until
from watcher import writer as writer_module
from watcher.writer import Roster, Writer


@pytest.fixture
def host() -> Host:
    host = rows.host()
    leases.take("me", [host.pk], timezone.now())
    return host


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer("me")
    writer.start()
    yield writer
    writer.stop(5)


def _appears(number: int, **fields: Any) -> Change:
    known = Known(name=f"m{number}", state="off")
    return Change(f"uuid-{number}", known, {"name": known.name, "state": "off", **fields}, appears=True)


def _lines(*words: str) -> tuple[Line, ...]:
    return tuple(Line(timezone.now(), "noted", text) for text in words)


def test_rows_and_their_ids_are_there_when_a_later_question_is_answered(host: Host, writer: Writer, facts: list[dict[str, Any]]) -> None:
    roster = Roster()
    writer.change(host.pk, roster, [_appears(1), _appears(2)])
    writer.change(host.pk, roster, [Change("uuid-1", Known(), {"state": "running"}, _lines("Started"))])
    loaded = writer.ask(lambda: inventory.load(host.pk))
    assert loaded.known["uuid-1"].state == "running"
    assert loaded.ids == roster.ids


def test_many_changes_of_a_host_are_one_fact(host: Host, writer: Writer, facts: list[dict[str, Any]]) -> None:
    writer.change(host.pk, Roster(), [_appears(number) for number in range(100)])
    writer.ask(lambda: None)
    (fact,) = facts
    assert len(fact["topics"]) == 103 and len(fact["machines"]) == 100
    assert {"machines", "fleet", f"host:{host.pk}"} < set(fact["topics"])


def test_what_concerns_one_page_only_does_not_make_lists_load_again(host: Host, writer: Writer, facts: list[dict[str, Any]]) -> None:
    roster = Roster()
    writer.change(host.pk, roster, [_appears(1)])
    writer.ask(lambda: None)
    facts.clear()
    writer.change(host.pk, roster, [Change("uuid-1", Known(), {"agent": "answers"})])
    writer.ask(lambda: None)
    assert [fact["topics"] for fact in facts] == [[f"machine:{roster.ids['uuid-1']}"]]


def test_nothing_is_written_about_a_host_that_is_not_ours_any_more(host: Host, writer: Writer, facts: list[dict[str, Any]]) -> None:
    leases.take("other", [host.pk], timezone.now() + leases.LEASE + timedelta(seconds=1))
    done: list[int] = []
    writer.change(host.pk, Roster(), [_appears(1)])
    writer.do(host.pk, lambda: done.append(1))
    writer.ask(lambda: None)
    assert not Machine.objects.exists() and not done and not facts


def test_one_change_that_can_t_be_written_keeps_no_other(host: Host, writer: Writer, facts: list[dict[str, Any]]) -> None:
    roster = Roster(spoilt=False)
    writer.change(host.pk, roster, [_appears(1), _appears(2, name=None), _appears(3)])
    writer.ask(lambda: None)
    assert set(Machine.objects.values_list("name", flat=True)) == {"m1", "m3"}
    assert roster.spoilt, "its host's thread loads the rows again"


def test_while_the_database_is_away_everything_waits_and_is_merged(
    host: Host, writer: Writer, facts: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_SLOWEST_RETRY", 0.05)
    real, away = inventory.write, True

    def write(*arguments: Any) -> inventory.Written:
        if away:
            raise OperationalError("the database is away")
        return real(*arguments)

    monkeypatch.setattr(inventory, "write", write)
    roster = Roster()
    writer.change(host.pk, roster, [_appears(1)])
    wait_until("it was tried", lambda: writer._busy_since, seconds=2)
    for number in range(200):
        writer.change(host.pk, roster, [Change("uuid-1", Known(), {"state": "running" if number % 2 else "off"}, _lines(str(number)))])
    assert len(writer._machines[host.pk].changes["uuid-1"].lines) == 50, "a flood does not fill the memory"
    assert not Machine.objects.exists()
    away = False
    wait_until("it is written", lambda: Machine.objects.filter(state="running").exists(), seconds=3)
    assert Machine.objects.get().events.count() == 50


def test_a_host_s_new_thread_is_not_mixed_with_the_old_one_s(host: Host, writer: Writer) -> None:
    old, new = Roster(), Roster()
    with writer._changed:  # the writer can't take them in between
        pass
    writer.change(host.pk, old, [_appears(1)])
    writer.change(host.pk, new, [_appears(2)])
    loaded = writer.ask(lambda: inventory.load(host.pk))
    assert "uuid-2" in loaded.ids
    assert new.ids == {"uuid-2": loaded.ids["uuid-2"]}


def test_what_waits_is_written_before_it_ends(host: Host, facts: list[dict[str, Any]]) -> None:
    writer = Writer("me")
    writer.change(host.pk, Roster(), [replace(_appears(1))])
    writer.start()
    writer.stop(5)
    assert Machine.objects.count() == 1
