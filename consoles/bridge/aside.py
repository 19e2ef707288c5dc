"""Work in a thread of its own, for a thread that lives long.

What a thread has allocated and freed again, glibc keeps for it as long as it lives: after a look into the database that is 90 kB. A console may
last for days, and needs none of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def aside(work: Callable[[], T]) -> T:
    """What it returns, or raises. Its database connections are closed."""
    returned: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            returned.append(work())
        except BaseException as exc:  # handed on
            raised.append(exc)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="console-aside", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread to be had
        run()
    else:
        thread.join()
    if raised:
        raise raised[0]
    return returned[0]
