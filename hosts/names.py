"""What a host may be called: names stand in tables, on command lines and in logs."""

from __future__ import annotations

import unicodedata

LONGEST = 63
_ALSO_INSIDE = frozenset(" ._-")


def problem(name: str) -> str:
    """What is wrong with the name, or "" for a good one."""
    if not name:
        return "Give it a name."
    if len(name) > LONGEST:
        return f"A name has at most {LONGEST} characters; this one has {len(name)}."
    if not _is_word(name[0]):
        return "A name begins with a letter or a digit."
    wrong = next((c for c in name if not _is_word(c) and c not in _ALSO_INSIDE), "")
    if wrong:
        shown = f"“{wrong}”" if wrong.isprintable() else f"the character U+{ord(wrong):04X}"
        return f"A name is made of letters, digits, spaces and . _ -, so {shown} can't be in it."
    if name != name.strip():
        return "A name has no space at its ends."
    return ""


def _is_word(character: str) -> bool:
    """Letters with their marks, and digits, of any script."""
    return unicodedata.category(character)[0] in "LMN"
