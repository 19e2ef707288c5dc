"""Whoever only watches: whatever bytes they send, in whatever pieces, no key, click, clipboard or power gets through, and what may pass passes unchanged."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consoles.bridge import rfb, spice
from consoles.bridge.closing import Closing, Code

# On a busy machine time says nothing.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# ── VNC ──

_u8, _u16, _u32 = st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1)


def _packed(form: str, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    return st.tuples(*parts).map(lambda values: struct.pack(form, *values))


def _bytes(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


RFB_ALLOWED = st.one_of(
    _bytes(19).map(lambda rest: b"\x00" + rest),
    st.lists(_u32, max_size=20).map(lambda codes: struct.pack(">BxH", 2, len(codes)) + b"".join(struct.pack(">I", code) for code in codes)),
    _bytes(9).map(lambda rest: b"\x03" + rest),
    _bytes(9).map(lambda rest: b"\x96" + rest),
    st.binary(max_size=64).map(lambda load: struct.pack(">BxxxIB", 248, 7, len(load)) + load),
)
RFB_FORBIDDEN = st.one_of(
    _packed(">BBxxI", st.just(4), _u8, _u32),
    _packed(">BBHH", st.just(5), _u8, _u16, _u16),
    st.binary(max_size=300).map(lambda text: struct.pack(">Bxxxi", 6, len(text)) + text),
    st.binary(min_size=4, max_size=300).map(lambda text: struct.pack(">Bxxxi", 6, -len(text)) + text),
    _packed(">BxBB", st.just(250), _u8, _u8),
    st.integers(0, 4).flatmap(lambda count: _bytes(16 * count).map(lambda screens: struct.pack(">BxHHBx", 251, 800, 600, count) + screens)),
    _packed(">BBHII", st.just(255), st.just(0), _u16, _u32, _u32),
    _packed(">BBH", st.just(255), st.just(1), st.sampled_from([0, 1])),
    _bytes(6).map(lambda rest: struct.pack(">BBH", 255, 1, 2) + rest),
)


def _messages(allowed: st.SearchStrategy[bytes], forbidden: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[tuple[bool, bytes]]]:
    one = st.one_of(allowed.map(lambda m: (True, m)), forbidden.map(lambda m: (False, m)))
    return st.lists(one, max_size=12)


def _chunks(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    yield from (data[a:b] for a, b in itertools.pairwise(edges))


CUTS = st.lists(st.integers(0, 5000), max_size=30)


@UNHURRIED
@given(messages=_messages(RFB_ALLOWED, RFB_FORBIDDEN), cuts=CUTS)
def test_a_vnc_watcher_sends_what_looks_and_nothing_else(messages: list[tuple[bool, bytes]], cuts: list[int]) -> None:
    sieve = rfb.WatcherSieve()
    passed = b"".join(sieve(chunk) for chunk in _chunks(b"".join(m for _, m in messages), cuts))
    assert passed == b"".join(m for may, m in messages if may)


@UNHURRIED
@given(data=st.binary(max_size=600), cuts=CUTS)
def test_whatever_a_vnc_watcher_sends_no_forbidden_message_passes(data: bytes, cuts: list[int]) -> None:
    sieve, passed = rfb.WatcherSieve(), b""
    try:
        for chunk in _chunks(data, cuts):
            passed += sieve(chunk)
    except Closing as closing:
        assert closing.code == Code.RIGHT_GONE
    assert set(_rfb_kinds(passed)) <= {0, 2, 3, 150, 248}


def _rfb_kinds(data: bytes) -> Iterator[int]:
    """The messages as a display reads them: an own, simpler reading than the sieve's."""
    while data:
        kind = data[0]
        yield kind
        size = {0: 20, 3: 10, 150: 10}.get(kind)
        if kind == 2:
            size = 4 + 4 * int.from_bytes(data[2:4], "big") if len(data) >= 4 else 4
        if kind == 248:
            size = 9 + data[8] if len(data) > 8 else 9
        if size is None:
            return
        data = data[size:]


@pytest.mark.parametrize("message", [b"\x01" * 20, b"\x07" + bytes(40), b"\xfd" + bytes(40), b"\xff\x02" + bytes(20), b"\xf8" + bytes(7) + b"\x41" + bytes(70)])
def test_a_message_that_nobody_knows_ends_it(message: bytes) -> None:
    with pytest.raises(Closing) as caught:
        rfb.WatcherSieve()(message)
    assert caught.value.code == Code.RIGHT_GONE


def test_a_huge_clipboard_takes_no_memory() -> None:
    sieve = rfb.WatcherSieve()
    assert sieve(struct.pack(">Bxxxi", 6, 2**31 - 1)) == b""
    for _ in range(64):
        assert sieve(bytes(1 << 20)) == b""
    assert len(sieve._held) == 0


# ── SPICE ──


def _spice(mini: bool, kinds: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    def whole(kind: int, body: bytes) -> bytes:
        return (struct.pack("<HI", kind, len(body)) if mini else struct.pack("<QHII", 7, kind, len(body), 0)) + body

    return st.builds(whole, kinds, st.binary(max_size=200))


@pytest.mark.parametrize("channel", [spice.MAIN, spice.DISPLAY, spice.CURSOR, spice.PLAYBACK])
@pytest.mark.parametrize("mini", [True, False])
@UNHURRIED
@given(data=st.data())
def test_a_spice_watcher_sends_what_looks_and_nothing_else(channel: int, mini: bool, data: st.DataObject) -> None:
    may = sorted(spice._A_WATCHER_MAY[channel])
    allowed = _spice(mini, st.sampled_from(may))
    forbidden = _spice(mini, _u16.filter(lambda kind: kind not in may))
    messages, cuts = data.draw(_messages(allowed, forbidden)), data.draw(CUTS)
    sieve = spice.WatcherSieve(channel, mini=mini)
    passed = b"".join(sieve(chunk) for chunk in _chunks(b"".join(m for _, m in messages), cuts))
    assert passed == b"".join(m for ok, m in messages if ok)


def test_no_watcher_may_move_the_mouse_speak_to_the_agent_or_hide_messages_in_others() -> None:
    main = spice._A_WATCHER_MAY[spice.MAIN]
    assert not main & {105, 106, 107, 108}, "mouse mode, agent"
    assert spice.INPUTS not in spice._A_WATCHER_MAY
    nested = struct.pack("<QHII", 1, 3, 10, 4) + bytes(10)
    assert spice.WatcherSieve(spice.MAIN, mini=False)(nested) == b""


@pytest.mark.parametrize("channel", [spice.INPUTS, 6, 8, 9, 10, 11, 0, 255])
def test_a_watchers_link_to_another_channel_is_refused_before_the_display_hears_of_it(channel: int) -> None:
    body = struct.pack("<IBBIIII", 0, channel, 0, 1, 0, 18, 9)
    stream = struct.pack("<4sIII", b"REDQ", 2, 2, len(body)) + body
    with pytest.raises(Closing) as caught:
        spice.link(lambda _: None, _receiver(stream), None, "", view_only=True)  # type: ignore[arg-type]
    assert caught.value.code == Code.RIGHT_GONE


def _receiver(stream: bytes) -> Callable[[int], bytes]:
    at = 0

    def receive(size: int) -> bytes:
        nonlocal at
        at += size
        return stream[at - size : at]

    return receive


# ── signing in ──


def test_the_answer_to_a_vnc_challenge_is_the_one_that_every_server_expects() -> None:
    """Read back with the key that RFC 6143 describes; tests/lab/consoles asks a real QEMU."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    challenge = bytes(range(16))
    answered = rfb.answer(challenge, "password")
    key = bytes(int(f"{b:08b}"[::-1], 2) for b in b"password")
    decryptor = Cipher(TripleDES(key * 3), modes.ECB()).decryptor()
    assert decryptor.update(answered) + decryptor.finalize() == challenge
    assert rfb.answer(challenge, "password and more") == answered, "eight characters count"
