"""A supervisor with three small children, run by the tests beside it in a process of its own.

`steady` notes its pid and sleeps; `stubborn` ignores SIGTERM and has a child of its own; `task` works once. Each appends "NAME PID" to the file given.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from webvirt.supervisor import Child, Supervisor

NOTES = Path(sys.argv[1])


def note(name: str) -> None:
    with NOTES.open("a") as file:
        file.write(f"{name} {os.getpid()}\n")


def steady() -> None:
    note("steady")
    print("steady says hello")
    sys.stdout.write("half a line")
    sys.stdout.flush()
    time.sleep(600)


def stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        note("grandchild")
        time.sleep(600)
    note("stubborn")
    time.sleep(600)


def task() -> None:
    note("task")


def last() -> None:
    def stop(*_: object) -> None:
        note("last-stopping")
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    note("last")
    time.sleep(600)


if __name__ == "__main__":
    children = [
        Child("steady", steady, 0, 5, ready=lambda: "steady" in NOTES.read_text(), announce=("the page is served",)),
        Child("stubborn", stubborn, 1, 0.5),
        Child("task", task, 0, 1, once=True),
        Child("last", last, 2, 5),
    ]
    sys.exit(Supervisor(children).run())
