"""Before the first process starts: database up to date, files to serve in place, a way in for the first person.

Runs in a process of its own (`in_child`), because the one that forks all others must never have had a connection open.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor


class NotPrepared(Exception):
    """The preparation failed; what went wrong has been printed."""


def prepare() -> str | None:
    """Makes everything ready.

    Returns:
        The path of the one-time link with which the first administrator is made; None when there is one.
    """
    from accounts.setup import link_if_needed

    _migrate()
    _collect_static()
    return link_if_needed()


def in_child(work: Callable[[], str | None]) -> str | None:
    """Runs `work` in a fork and brings back what it returns.

    Raises:
        NotPrepared: it failed, and has said why.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _work_and_leave(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read()
    _, status = os.waitpid(pid, 0)
    if status != 0 or not text:
        raise NotPrepared
    result: str | None = json.loads(text)
    return result


def _work_and_leave(work: Callable[[], str | None], writer: int) -> None:
    status = 1
    try:
        with os.fdopen(writer, "wb") as answer:
            answer.write(json.dumps(work()).encode())
        status = 0
    except Exception as problem:
        print(f"WebVirt could not be made ready: {problem}", file=sys.stderr)
        if settings.DEBUG:
            raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _migrate() -> None:
    """Brings the database up to date; a look at what is applied is all that an up-to-date one costs."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        print("Bringing the database up to date …", flush=True)
        call_command("migrate", interactive=False, verbosity=0)


def _collect_static() -> None:
    """Compresses the files to serve, once for each version of them, and removes what earlier versions left."""
    root = Path(settings.STATIC_ROOT)
    if root.is_dir():
        return
    draft = root.with_name(f".{root.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    settings.STATIC_ROOT = str(draft)
    call_command("collectstatic", interactive=False, verbosity=0)
    draft.rename(root)
    for other in root.parent.iterdir():
        if other != root:
            shutil.rmtree(other, ignore_errors=True)
