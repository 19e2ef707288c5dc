"""Power verbs: what each needs of the machine's state, in words. Shared by pages, API and bulk; no Django, no libvirt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """`allowed` states; `otherwise` is the reason for a refusal; `danger` asks to confirm, saying what is lost."""

    name: str
    title: str
    icon: str
    allowed: frozenset[str]
    otherwise: str
    danger: str = ""

    @property
    def kind(self) -> str:
        return "machines." + self.name.replace("-", "_")


_PLUG_PULLED = "Like pulling the plug: unsaved work in the guest is lost, and its disks may need a check."
_RESET = "Like the reset button: unsaved work in the guest is lost."
_ON = frozenset({"running"})
_RESETTABLE = frozenset({"running", "paused", "crashed"})
_ACTIVE = frozenset({"running", "paused", "shutting_down", "suspended", "crashed"})

VERBS = {
    verb.name: verb
    for verb in (
        Verb("start", "Start", "player-play", frozenset({"off", "crashed"}), "It is on already."),
        Verb("shutdown", "Shut down", "power", _ON, "It is not running."),
        Verb("reboot", "Reboot", "rotate-clockwise", _ON, "It is not running."),
        Verb("pause", "Pause", "player-pause", _ON, "It is not running."),
        Verb("resume", "Resume", "player-play", frozenset({"paused", "suspended"}), "It is not paused."),
        Verb("save", "Save state", "moon", frozenset({"running", "paused"}), "It is not running."),
        Verb("restore", "Restore", "player-play", frozenset({"off"}), "It has no saved state."),
        Verb("reset", "Reset", "refresh", _RESETTABLE, "It is not running.", _RESET),
        Verb("force-off", "Force off", "plug-off", _ACTIVE, "It is off already.", _PLUG_PULLED),
        Verb("nmi", "Send NMI", "bolt", _ON, "It is not running.", "Most systems stop with a crash dump."),
    )
}


def refusal(verb: Verb, *, state: str, has_saved_image: bool, persistent: bool) -> str:
    """Why `verb` can't be done now, or "" when it can."""
    if state not in verb.allowed:
        return verb.otherwise
    if verb.name == "restore" and not has_saved_image:
        return verb.otherwise
    if verb.name == "save" and not persistent:
        return "It is transient: it would be gone after saving."
    return ""
