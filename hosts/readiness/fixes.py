"""How to mend what lacks: commands to copy, in the words of the host's own distribution where it is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from virt.facts import HostFacts

FAMILIES = {"debian": "Debian, Ubuntu", "fedora": "Fedora, RHEL, Rocky, Alma", "suse": "openSUSE, SLES", "arch": "Arch"}
_OF = {
    **dict.fromkeys(("debian", "ubuntu"), "debian"),
    **dict.fromkeys(("fedora", "rhel", "centos"), "fedora"),
    **dict.fromkeys(("suse", "opensuse", "sles"), "suse"),
    "arch": "arch",
}
_INSTALL = {"debian": "apt install", "fedora": "dnf install", "suse": "zypper install", "arch": "pacman -S"}


@dataclass(frozen=True)
class Command:
    """Lines for a root shell of the host; `where`: the distributions it is for, "" for all."""

    text: str
    where: str = ""


@dataclass(frozen=True)
class Fix:
    """`words`: what no command does, or what to know before."""

    words: Any = ""
    commands: tuple[Command, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words or self.commands)


NOTHING = Fix()


def run(*lines: str, words: Any = "") -> Fix:
    """The same on every distribution."""
    return Fix(words, (Command("\n".join(lines)),))


def install(facts: HostFacts, packages: Mapping[str, str], *then: str, words: Any = "") -> Fix:
    """`packages`: distribution family → names; `then`: further lines."""
    return per_family(facts, {name: "\n".join((f"{_INSTALL[name]} {names}", *then)) for name, names in packages.items()}, words=words)


def per_family(facts: HostFacts, lines: Mapping[str, str], *, words: Any = "") -> Fix:
    """Of the host's own family alone, where it is known and named."""
    family = family_of(facts)
    if family in lines:
        return Fix(words, (Command(lines[family]),))
    return Fix(words, tuple(Command(text, FAMILIES[name]) for name, text in lines.items()))


def family_of(facts: HostFacts) -> str:
    """The key of FAMILIES, "" when it is not known."""
    if facts.shown is None:
        return ""
    return next((_OF[name] for name in _names(facts.shown.system, facts.shown.like) if name in _OF), "")


def _names(system: str, like: str) -> Iterable[str]:
    """ "opensuse-leap" is "opensuse" too."""
    for name in (system, *like.split()):
        yield name
        yield name.partition("-")[0]
