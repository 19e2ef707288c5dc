"""Operations on a pretended host: a directory. What was done to it stands there, so that a test can ask what is true.

`effects` has a line for each time an operation really changed the host. `go` lets those go on that wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from jobs.registry import Fate, Result, operation
from jobs.work import Cancelled, Wait, Work
from virt.errors import HostUnreachable, Invalid, NotFound


def host_of(work: Work) -> Path:
    host = Path(work.params["host"])
    if (host / "away").exists():
        raise HostUnreachable("The host does not answer.")
    return host


def change(host: Path, what: str) -> None:
    with (host / "effects").open("a") as effects:
        effects.write(what + "\n")


def until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not ready() and time.monotonic() < end:
        time.sleep(0.02)


def shown(work: Work) -> Fate:
    host = host_of(work)
    if (host / "removed").exists():
        raise NotFound("The machine is not on its host any more.")
    if (host / "running").exists():
        return Fate.STILL_RUNNING
    return Fate.DONE if (host / "effects").exists() else Fate.NOT_DONE


@operation(settle=shown)
def plain(work: Work) -> Result:
    host = host_of(work)
    work.phase("Changing")
    change(host, "plain")
    return {"n": 1}


@operation(settle=shown)
def held(work: Work) -> Result:
    """Begins, and changes the host only when it may go on. Can be stopped until then."""
    host = host_of(work)
    work.on_cancel(lambda: (host / "aborted").touch())
    work.phase("Working", 10)
    (host / "begun").touch()
    until(lambda: (host / "go").exists() or (host / "aborted").exists())
    if work.cancelled():
        raise Cancelled
    change(host, "held")
    return None


@operation(settle=shown)
def waiting(work: Work) -> Result:
    """Asks the host once, and waits for `go` without a worker."""
    host = host_of(work)
    (host / "looks").open("a").write("look\n")
    if not work.resumed:
        work.phase("Asking")
        change(host, "asked")
    if (host / "go").exists():
        return None
    if work.expired:
        raise Invalid("It took too long.")
    raise Wait("Waiting for the host", timedelta(seconds=work.params.get("limit", 60)))


@operation(settle=shown)
def followed(work: Work) -> Result:
    """Runs on the host by itself (`running`); a worker only follows it, and can stop it."""
    host = host_of(work)
    if not work.resumed:
        work.phase("Beginning")
        change(host, "begun")
        (host / "running").touch()
    if work.cancelled():
        (host / "running").unlink()
        raise Cancelled
    if not (host / "running").exists():
        return None
    raise Wait("Running on the host", timedelta(hours=1))


@operation(settle=shown)
def lost(work: Work) -> Result:
    """The connection breaks after the host was asked."""
    work.phase("Asking")
    (Path(work.params["host"]) / "away").touch()
    host_of(work)
    return None


@operation(settle=shown)
def mistaken(work: Work) -> Result:
    raise ZeroDivisionError("a mistake of ours, with secret words")


@operation(settle=lambda work: Fate.UNKNOWN)
def traceless(work: Work) -> Result:
    work.phase("Asking")
    raise HostUnreachable("The connection to the host broke.")
