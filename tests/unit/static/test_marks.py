"""The template tags: what they write, and that nothing from outside gets through as markup."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone, translation

from live.templatetags import wv

GIB = 2**30


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1023.96 * 1024, "1 MiB"),
        (5.1 * GIB, "5.1 GiB"),
        (54.26 * GIB, "54.3 GiB"),
        (186.4 * 2**20, "186 MiB"),
        (64 * GIB, "64 GiB"),
        (3 * 2**50, "3 PiB"),
        (None, "–"),
    ],
)
def test_sizes_have_three_digits_and_binary_units(value: float | None, shown: str) -> None:
    assert wv.bytes_plain(value) == shown


def test_a_size_has_its_unit_quiet() -> None:
    assert wv.bytes_(5.1 * GIB) == '5.1<span class="wv-u">GiB</span>'


def test_numbers_follow_the_language() -> None:
    with translation.override("ru"):
        assert wv.bytes_plain(5.1 * GIB) == "5,1 GiB"
        assert wv.count(10214) == "10\xa0214"
    with translation.override("en"):
        assert wv.count(10214) == "10,214"


def test_a_rate_of_nothing_is_quiet_and_unknown_is_a_dash() -> None:
    assert wv.rate(0) == '<span class="wv-mute">0</span>'
    assert wv.rate(None) == '<span class="wv-mute">–</span>'
    assert wv.rate(2.1 * 2**20) == '2.1<span class="wv-u">MiB/s</span>'


def test_used_of_total_speaks_in_the_unit_of_the_total() -> None:
    assert wv.of_(512 * 2**20, 8 * GIB) == '0.5<span class="wv-u">/ 8 GiB</span>'
    assert wv.of_(None, 8 * GIB) == wv.NOTHING


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (38, "38 s"), (72, "1 min 12 s"), (3600, "1 h"), (3700, "1 h 1 min"), (180_000, "2 d 2 h"), (None, "–")]
)
def test_a_duration_has_two_parts_at_most(seconds: float | None, shown: str) -> None:
    assert wv.duration(seconds) == shown


def test_the_time_since_carries_the_exact_moment() -> None:
    moment = timezone.now() - dt.timedelta(minutes=3, seconds=20)
    html = wv.ago(moment)
    assert html == f'<wv-time at="{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}">3 min ago</wv-time>'
    assert wv.ago(None) == wv.NOTHING
    assert 'as="span">3 min<' in wv.uptime(moment)


def test_a_state_is_shape_and_word() -> None:
    html = wv.state("running")
    assert "is-running" in html and "#s-running" in html and html.endswith(">Running</span>")
    assert wv.state("stale", word="Seen 14:02").endswith(">Seen 14:02</span>")
    assert "is-pill" in wv.state("off", pill=True)


@pytest.mark.parametrize("hostile", ["<script>x</script>", '"><img src=x onerror=y>', "a'b&c"])
def test_nothing_from_outside_becomes_markup(hostile: str) -> None:
    written = [
        wv.state(hostile),
        wv.state("running", word=hostile),
        wv.tag(hostile),
        wv.icon(hostile, hostile, hostile),
        wv.glyph("ok", hostile),
        wv.meter(1, 2, hostile),
        wv.spark([1], hostile),
    ]
    for html in written:
        assert hostile not in html
        assert "<script" not in html and "<img" not in html


def test_every_state_has_its_shape_in_the_sprite(sprite: str) -> None:
    for shape, _word in wv.STATES.values():
        assert f'id="s-{shape}"' in sprite


def test_a_tag_keeps_its_hue_and_hues_spread() -> None:
    assert wv.hue("prod") == wv.hue("prod")
    hues = {wv.hue(f"tag-{n}") for n in range(200)}
    assert len(hues) == 24


@pytest.mark.parametrize(("name", "letters"), [("a.ivanova", "AI"), ("Anna Ivanova", "AI"), ("root", "RO"), ("", "")])
def test_initials(name: str, letters: str) -> None:
    assert wv.initials(name) == letters


def test_a_sparkline_is_one_path_of_at_most_24_points() -> None:
    assert 'd=""' in wv.spark([])
    html = wv.spark(range(40))
    assert html.count(" ") and "M-6 120V84L0 84 1 83" in html
    assert "is-hot" in wv.spark([20, 90, 90, 90, 95]) and "is-hot" not in wv.spark([90, 90, 10, 10, 10])


def test_a_meter_says_what_it_is_or_hides_from_screen_readers() -> None:
    assert 'value="50" aria-label="Memory of db"' in wv.meter(1, 2, "Memory of db")
    assert 'value="0" aria-hidden="true"' in wv.meter(None, 0)
    assert 'value="100"' in wv.meter(3, 2)
