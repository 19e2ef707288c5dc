"""Names of hosts: what may be one, and what is said of what may not."""

from __future__ import annotations

import pytest

from hosts import names


@pytest.mark.parametrize("name", ["kvm-07", "Helsinki 2", "a", "хост-1", "größe.lan", "server_9", "कंप्यूटर", "7", "x" * 63])
def test_good_names(name: str) -> None:
    assert names.problem(name) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Give it a name"),
        ("x" * 10_240, "at most 63"),
        ("-rf", "begins with"),
        (" kvm", "begins with"),
        ("kvm ", "no space at its ends"),
        ("a<b", "“<”"),
        ('say "hi"', '“"”'),
        ("it's", "“'”"),
        ("two\nlines", "U+000A"),
        ("nul\0", "U+0000"),
        ("rocket🚀", "“🚀”"),
        ("left\u202eright", "U+202E"),
        ("a/b", "“/”"),
    ],
)
def test_bad_names_say_what_is_wrong(name: str, said: str) -> None:
    assert said in names.problem(name)
