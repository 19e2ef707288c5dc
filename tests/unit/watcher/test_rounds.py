"""Rounds come back in their period, at a time of each host's own."""

from __future__ import annotations

import itertools

from watcher.rounds import Rounds


def test_a_round_is_due_once_a_period() -> None:
    rounds = Rounds({"sample": 5.0}, 3, 100.0)
    times = [now for now in (100 + step / 10 for step in range(300)) if rounds.due(now)]
    assert len(times) == 6
    assert {round(after - before, 1) for before, after in itertools.pairwise(times)} == {5.0}


def test_hosts_are_spread_over_the_period() -> None:
    first = sorted(Rounds({"sample": 5.0}, key, 1234.5).next_at() - 1234.5 for key in range(1, 101))
    assert 0 <= first[0] <= first[-1] <= 5
    assert max(after - before for before, after in itertools.pairwise(first)) < 0.2


def test_what_was_missed_is_done_once_and_keeps_its_phase() -> None:
    rounds = Rounds({"sample": 5.0}, 3, 100.0)
    phase = rounds.next_at() % 5
    assert rounds.due(171.0) == ["sample"]
    assert rounds.due(171.0) == []
    assert 171 < rounds.next_at() <= 176
    assert abs(rounds.next_at() % 5 - phase) < 1e-6


def test_soon_is_now() -> None:
    rounds = Rounds({"sample": 5.0, "stores": 60.0}, 3, 100.0)
    rounds.due(160.0)
    rounds.soon("stores", 160.0)
    assert rounds.due(160.0) == ["stores"]
    assert "stores" not in rounds.due(165.5)
