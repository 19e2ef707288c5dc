"""What a row says of a machine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from live.templatetags import wv
from machines import listing, power
from machines.models import State
from machines.rows import DOING, first_address, os_icon, os_words, short_os, shown_state
from machines.templatetags import machine_rows
from virt.state import State as VirtState

SPRITE = (Path(__file__).resolve().parents[3] / "static" / "icons.svg").read_text()


def test_states_are_those_of_the_gateway_and_each_has_a_shape_and_a_word() -> None:
    assert {state.value for state in State} == {state.value for state in VirtState}
    for state in State:
        assert state.value in wv.STATES
        assert str(wv.STATES[state.value][1]) == state.label


def test_the_tally_counts_every_state() -> None:
    assert {state for _key, state in listing.TALLY if state} == set(State)


def test_every_column_has_a_cell() -> None:
    assert set(listing.COLUMNS) == set(machine_rows._CELLS)


def test_every_verb_has_an_icon_and_a_word_for_what_it_does() -> None:
    for verb in power.VERBS.values():
        assert f'id="i-{verb.icon}"' in SPRITE, verb.icon
        assert verb.kind in DOING or verb.name == "nmi"
        assert verb.allowed <= {state.value for state in State}


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Debian GNU/Linux 12 (bookworm)", "Debian 12"),
        ("Ubuntu 24.04.1 LTS", "Ubuntu 24.04"),
        ("Microsoft Windows Server 2022 Standard", "Windows Server 2022"),
        ("Rocky Linux 9.4 (Blue Onyx)", "Rocky 9.4"),
        ("Arch Linux", "Arch Linux"),
        ("", ""),
    ],
)
def test_systems_have_short_names(name: str, short: str) -> None:
    assert short_os(name) == short


def test_systems_have_icons_and_words_from_their_libosinfo_id() -> None:
    assert os_words("http://debian.org/debian/12") == "Debian 12"
    assert os_icon("http://microsoft.com/win/2k22", "") == "brand-windows"
    assert os_icon("", "Plan 9") == ""


def test_the_address_people_type_comes_first() -> None:
    assert first_address([{"ip": "fe80::1"}, {"ip": "10.0.0.7"}, {"ip": "10.0.0.8"}]) == ("10.0.0.7", 2)
    assert first_address([{"ip": "fd20::7"}]) == ("fd20::7", 0)
    assert first_address([]) == ("", 0)


def test_a_state_is_claimed_only_while_the_host_answers() -> None:
    seen = timezone.now() - timedelta(minutes=18)
    shape, word = shown_state("running", stale=True, seen_at=seen, saved=False, doing="machines.start")
    assert shape == "stale"
    assert "18 min ago" in word
    assert shown_state("off", stale=False, seen_at=None, saved=False, doing="machines.start") == ("moving", "Starting")
    assert shown_state("off", stale=False, seen_at=None, saved=True, doing="") == ("saved", "")
    assert shown_state("running", stale=False, seen_at=None, saved=True, doing="machines.nmi") == ("running", "")
