"""virt-viewer on the person's own computer, where that can reach the display (remote-viewer(1): "connection file").

Its password is the host's to tell, and a page asks no host: a worker does (consoles/looking.py) and leaves the answer here,
sealed, for a minute and for one person.
"""

from __future__ import annotations

import ipaddress
import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import redis
from celery import current_app
from django.core.cache import cache

from accounts import secrets as box
from live.metrics import store
from machines.models import Machine

logger = logging.getLogger(__name__)

KINDS = ("vnc", "spice")
_KEPT_SECONDS = 60
_ASKED_SECONDS = 2
_EXPIRES_SECONDS = 10.0


@dataclass(frozen=True)
class Screen:
    """Where a display listens for others; `lasting`: its password is good for longer than it is lent; `problem`: why the host did not tell."""

    kind: str = ""
    address: str = ""
    port: int = 0
    password: str = field(default="", repr=False)
    lasting: bool = False
    problem: str = ""


def within_reach(machine: Machine) -> bool:
    """Whether any of its screens listens on a network, as its row tells."""
    return any(each.get("kind") in KINDS and address_of(machine, each) for each in machine.graphics)


def address_of(machine: Machine, screen: dict[str, Any]) -> str:
    """Where others reach it; "" when its host alone can."""
    if screen.get("socket") or screen.get("listen") in ("socket", "none"):
        return ""
    address = one_line(str(screen.get("address") or ""))
    with suppress(ValueError):
        known = ipaddress.ip_address(address)
        if known.is_loopback:
            return ""
        if known.is_unspecified:
            return machine.host.address
    return address


def take(machine: Machine, user_id: int) -> Screen | None:
    """The answer, which is then gone; None while there is none: it is asked for."""
    try:
        sealed = cast(bytes | None, store().getdel(_name(machine.pk, user_id)))
        if sealed is None:
            _ask(machine.pk, user_id)
    except redis.RedisError as exc:
        logger.warning("no connection file for machine %s: %s", machine.pk, exc)
        return Screen(problem="The portal's memory does not answer. Try again in a moment.")
    return Screen(**json.loads(box.unseal(sealed.decode()))) if sealed else None


def keep(machine_id: int, user_id: int, screen: Screen) -> None:
    store().set(_name(machine_id, user_id), box.seal(json.dumps(asdict(screen))), ex=_KEPT_SECONDS)


def file_of(machine: Machine, screen: Screen) -> str:
    lines = ["[virt-viewer]", f"type={screen.kind}", f"host={screen.address}", f"port={screen.port}", f"title={one_line(machine.name)}", "delete-this-file=1"]
    return "\n".join([*lines, *([f"password={one_line(screen.password)}"] if screen.password else []), ""])


def one_line(text: str) -> str:
    """Names come from outside: none begins a line of its own."""
    return "".join(letter for letter in text if letter.isprintable())


def _ask(machine_id: int, user_id: int) -> None:
    if not cache.add(f"viewer:asked:{machine_id}:{user_id}", 1, timeout=_ASKED_SECONDS):
        return
    try:
        current_app.send_task("consoles.viewer", args=[machine_id, user_id], queue="quick", expires=_EXPIRES_SECONDS, time_limit=20, retry=False)
    except Exception as exc:
        logger.warning("nobody can be asked for the display of machine %s: %s", machine_id, exc)


def _name(machine_id: int, user_id: int) -> str:
    return f"wv:viewer:{machine_id}:{user_id}"
