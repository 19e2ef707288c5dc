"""The search language: what is understood, what is said about the rest, and that nothing a person types hurts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines import filters
from machines.filters import Term, parse


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("web", [Term("", "", ("web",))]),
        ("web 10.20.", [Term("", "", ("web",)), Term("", "", ("10.20.",))]),
        ("host:kvm-01", [Term("host", ":", ("kvm-01",))]),
        ("HOST:KVM-01", [Term("host", ":", ("KVM-01",))]),
        ("host=kvm-01,kvm-02", [Term("host", "=", ("kvm-01", "kvm-02"))]),
        ('name:"web 01"', [Term("name", ":", ("web 01",))]),
        ('"web 01"', [Term("", "", ("web 01",))]),
        ("-state:off", [Term("state", ":", ("off",), negated=True)]),
        ("!web", [Term("", "", ("web",), negated=True)]),
        ("cpu>80", [Term("cpu", ">", ("80",))]),
        ("cpu>=80%", [Term("cpu", ">=", ("80%",))]),
        ("memory>90", [Term("mem", ">", ("90",))]),
        ("mac:52:54:00", [Term("mac", ":", ("52:54:00",))]),
        ("52:54:00:8a", [Term("", "", ("52:54:00:8a",))]),
        ("fe80::1", [Term("", "", ("fe80::1",))]),
        ("abcd::1", [Term("", "", ("abcd::1",))]),
        ("-", [Term("", "", ("-",))]),
    ],
)
def test_texts_are_read_as_terms(text: str, terms: list[Term]) -> None:
    assert parse(text) == terms


@pytest.mark.parametrize(
    "text", ["cpu>", "cpu>much", "state:sleepy", "state>off", "ram>8X", "up>soon", "autostart:maybe", "agent:lost", "name:a*b*c*d*e*f", "os>3"]
)
def test_what_makes_no_sense_says_so_and_filters_nothing(text: str) -> None:
    [term] = parse(text)
    assert term.problem.startswith(term.field)
    assert filters.condition_of([term]) == filters.condition_of([])


@given(st.text(max_size=600))
def test_every_text_is_read_and_written_back_the_same(text: str) -> None:
    terms = parse(text)
    assert len(terms) <= filters.MOST_TERMS
    for term in terms:
        filters.condition_of([term])
        if not term.problem and term.values != ("",):
            assert parse(term.text)[:1] == [term]


def test_a_long_hostile_text_is_read_at_once() -> None:
    before = time.process_time()
    parse('"' * 100_000 + "a," * 100_000 + "*" * 100_000)
    assert time.process_time() - before < 0.2


def test_every_hint_is_a_filter_without_a_problem() -> None:
    for hint in filters.HINTS:
        [term] = parse(hint)
        assert term.field and not term.problem, hint
