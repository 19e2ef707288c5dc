"""What changed between two definitions."""

from __future__ import annotations

from machines import history

OLD = "<domain>\n  <name>web</name>\n  <vcpu>2</vcpu>\n" + "".join(f"  <x{n}/>\n" for n in range(20)) + "  <memory>1</memory>\n</domain>"


def test_a_diff_shows_what_changed_with_a_little_around() -> None:
    changes = history.diff(OLD, OLD.replace("<vcpu>2", "<vcpu>4").replace("<memory>1", "<memory>8"))
    assert [(change.sign, change.text.strip()) for change in changes if change.sign in "+-"] == [
        ("-", "<vcpu>2</vcpu>"),
        ("+", "<vcpu>4</vcpu>"),
        ("-", "<memory>1</memory>"),
        ("+", "<memory>8</memory>"),
    ]
    assert [change.sign for change in changes].count("@") == 2
    assert len(changes) < 25


def test_lines_that_look_like_marks_of_a_diff_are_kept() -> None:
    changes = history.diff("a\n", "a\n--- b\n+++ c\n")
    assert [change.text for change in changes if change.sign == "+"] == ["--- b", "+++ c"]


def test_the_same_text_has_no_diff() -> None:
    assert history.diff(OLD, OLD) == []
