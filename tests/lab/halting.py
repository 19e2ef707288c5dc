"""``manage.py`` whose workers stop where a test says: before or after a call to the host, so that somebody can be killed right there.

The file ``halt`` in the data directory names the place ("before machine.define", "after machine.define #2" for the second time); when a worker
gets there it makes ``reached`` of it and waits for the file ``go``. Who is dead is found out within seconds instead of half a minute, and what
is left over is looked for each second, or the tests would take hours.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

PLACES = {
    "machine": ("define", "start", "force_off", "undefine"),
    "snapshot": ("create", "redefine", "delete", "restore_memory", "revert_internal"),
    "blockjob": ("commit", "pivot"),
    "volume": ("create", "clone", "upload", "delete"),
    "variables": ("copy", "remove"),
    "lookups": ("rename_machine",),
}


def _halt(place: str) -> None:
    folder = Path(os.environ["WEBVIRT_DATA"])
    wanted, reached, go = (folder / name for name in ("halt", "reached", "go"))
    name, _, times = (wanted.read_text() if wanted.exists() else "").partition(" #")
    if name == place and int(times or 1) > 1:
        wanted.write_text(f"{name} #{int(times) - 1}")
    elif name == place:
        wanted.rename(reached)
        until = time.monotonic() + 60
        while not go.exists() and time.monotonic() < until:
            time.sleep(0.02)
        go.unlink(missing_ok=True)


def _halting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def halting(*args: Any, **options: Any) -> Any:
        _halt(f"before {name}")
        answer = call(*args, **options)
        _halt(f"after {name}")
        return answer

    return halting


def _prepare_worker() -> None:
    from jobs import run, work
    from virt.chain import Files

    run.DEAD_AFTER, run.ASK_AGAIN_AFTER, run._SUSPICION_SECONDS = timedelta(seconds=4), timedelta(seconds=1), 1.0
    work._HEARTBEAT_SECONDS = 1.0
    for name, calls in PLACES.items():
        module = importlib.import_module(f"virt.{name}")
        for call in calls:
            setattr(module, call, _halting(f"{name}.{call}", getattr(module, call)))
    for call in ("make_overlay", "delete"):
        setattr(Files, call, _halting(f"files.{call}", getattr(Files, call)))


def main() -> None:
    from webvirt.launch import adopt

    adopt(sys.argv)  # as manage.py does: what follows reads the settings
    from webvirt import celery, stack

    begin = stack._worker

    def worker(*args: Any, **options: Any) -> None:
        _prepare_worker()
        begin(*args, **options)

    stack._worker = worker
    for task in ("jobs.sweep", "machines.creation.tidy", "machines.migration.tidy"):
        celery.app.conf.beat_schedule[task]["schedule"] = 1.0
    import manage

    manage.main()


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main()
