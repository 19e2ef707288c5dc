"""A watcher's name tells whether its process has ended, where that can be told."""

from __future__ import annotations

import subprocess
import sys

from watcher import identity


def test_the_own_name_is_alive_and_fits_its_column() -> None:
    assert len(identity.own_name()) <= 64
    assert identity.ended([identity.own_name()]) == set()


def test_a_process_that_was_beside_us_and_ended_is_known_to_have() -> None:
    code = "from watcher import identity; print(identity.own_name())"
    name = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert identity.ended([name, identity.own_name()]) == {name}


def test_of_another_machine_nothing_is_claimed() -> None:
    boot, space, *rest = identity.own_name().split(".")
    assert identity.ended([".".join(["00000000", space, "999999", *rest[1:]]), "something else", ""]) == set()
    assert boot != "00000000"
