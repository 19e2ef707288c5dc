"""When agents and networks are asked."""

from __future__ import annotations

from watcher.guests import Guests, Question, Questions


def _asked(guests: Guests, until: int) -> list[tuple[int, bool]]:
    """(second, about itself) of each question to "u1", when every one is answered."""
    asked = []
    for now in range(until):
        for question in guests.due(now):
            asked.append((now, question.about_itself))
            guests.said(question.uuid, answered=True, about_itself=question.about_itself)
    return asked


def test_an_agent_is_asked_soon_after_the_start_and_then_each_minute() -> None:
    guests = Guests()
    guests.answers_agent("u1", True, 0)
    guests.started("u1", 0)
    assert [second for second, _ in _asked(guests, 200)] == [1, 5, 10, 20, 80, 140]


def test_it_is_asked_about_itself_first_and_then_rarely() -> None:
    guests = Guests()
    guests.answers_agent("u1", True, 0)
    about = [itself for _, itself in _asked(guests, 1200)]
    assert about[0]
    assert 1 < sum(about) <= 4


def test_one_that_is_silent_is_asked_rarely() -> None:
    guests = Guests()
    guests.answers_agent("u1", True, 0)
    times = 0
    for now in range(3600):
        if guests.due(now):
            times += 1
            guests.said("u1", answered=False, about_itself=False)
    assert times < 20


def test_an_agent_that_left_is_not_asked() -> None:
    guests = Guests()
    guests.answers_agent("u1", True, 0)
    guests.answers_agent("u1", False, 1)
    assert guests.due(100) == []
    assert guests.next_at() == float("inf")


def test_leases_are_looked_at_some_seconds_after_a_start() -> None:
    guests = Guests()
    guests.started("u1", 0)
    assert [now for now in range(60) if guests.leases_due(now)] == [1, 5, 10, 20]


def test_one_that_did_not_answer_waits_behind_the_others_and_none_waits_twice() -> None:
    questions = Questions()
    for uuid, silent in (("mute", True), ("a", False), ("b", False), ("a", False)):
        questions.put(Question(uuid, about_itself=False, silent=silent))
    taken = [questions.take() for _ in range(4)]
    assert [question.uuid if question else None for question in taken] == ["a", "b", "mute", None]
    assert not questions.waiting
