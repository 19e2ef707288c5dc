"""Pictures by the hundred megabyte: whole, in their order, with what a websocket says in between, whoever reads slowly."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import threading
import time
from pathlib import Path

import pytest

from consoles.models import ConsoleSession
from tests.integration.consoles.conftest import Room
from tests.waiting import wait_until

BLOCK = os.urandom(1 << 20)
GREETING_BYTES = 28  # ServerInit of the fake display


def _said(blocks: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for number in range(blocks):
        digest.update(number.to_bytes(4, "big") + BLOCK)
    return digest.hexdigest()


def _say(display: socket.socket, blocks: int, *, then_hang_up: bool = False) -> threading.Thread:
    """In pieces of all sizes, so that both ways of the bridge are taken in turn."""

    def run() -> None:
        chance = random.Random(7)
        for number in range(blocks):
            block = memoryview(number.to_bytes(4, "big") + BLOCK)
            while block:
                size = chance.choice((1, 700, 40_000, 200_000, 1 << 20))
                try:
                    display.sendall(block[:size])
                except OSError:  # the browser has gone
                    return
                block = block[size:]
        if then_hang_up:
            display.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_every_byte_in_its_order_and_answers_between_the_frames(encrypted: bool, room: Room, tmp_path: Path) -> None:
    blocks = 64
    if encrypted:
        room.encrypt(tmp_path)
    with room.open(room.client(room.ann)) as console:
        talking = _say(room.display.sockets[-1], blocks)
        digest, left, pongs, chance = hashlib.md5(usedforsecurity=False), blocks * (len(BLOCK) + 4), 0, random.Random(5)
        while left:
            if chance.random() < 0.05:
                console.send(b"are you there", opcode=9)
                time.sleep(0.002)  # the bridge's side fills up meanwhile
            opcode, data = console._frame()
            if opcode == 10:
                assert data == b"are you there"
                pongs += 1
                continue
            assert opcode == 2
            digest.update(data)
            left -= len(data)
        talking.join()
        assert digest.hexdigest() == _said(blocks)
        assert pongs > 0
        console.send(b"\x03" + bytes(9))
        wait_until("the other way goes too", lambda: room.display.heard.endswith(b"\x03" + bytes(9)))
    wait_until("it is counted", lambda: ConsoleSession.objects.exclude(closed_at=None).exists())
    assert ConsoleSession.objects.get().bytes_shown == blocks * (len(BLOCK) + 4) + GREETING_BYTES


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_who_reads_slowly_hears_the_last_word_too(encrypted: bool, room: Room, tmp_path: Path) -> None:
    """The display ends while much of what it said still waits for the browser."""
    if encrypted:
        room.encrypt(tmp_path)
    with room.open(room.client(room.ann)) as console:
        console.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        talking = _say(room.display.sockets[-1], 8, then_hang_up=True)
        time.sleep(0.3)
        got = 0
        while True:
            opcode, data = console._frame()
            if opcode == 8:
                break
            got += len(data)
        talking.join()
        assert (got, data[:2]) == (8 * (len(BLOCK) + 4), (4409).to_bytes(2, "big"))


def test_no_descriptor_is_left(room: Room) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with room.open(room.client(room.ann)) as console:
            _say(room.display.sockets[-1], 4)
            left = 4 * (len(BLOCK) + 4)
            while left > 0:
                left -= len(console.receive())
    room.display.hang_up()
    wait_until("all are closed", lambda: ConsoleSession.objects.exclude(closed_at=None).count() == 5)
    wait_until("their descriptors too", lambda: len(os.listdir("/proc/self/fd")) <= before + 5 + 1)  # the fake display keeps its own ends
