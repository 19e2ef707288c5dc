"""The processes of WebVirt on one machine: what each of them is, in the order in which they start.

All but Redis are forks of one process that has loaded the code once (`preload`): what they have in common stays shared in memory, and one that died is
back in a fraction of a second. Nothing is opened before the fork: no database, no Redis, no libvirt, no thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import http.client
import importlib
import os
import socket
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from webvirt import launch, redis_server
from webvirt.supervisor import Child, die_with_parent

# Slots of the worker pools: quick work (power, tests of a connection), and work that takes minutes to hours.
QUICK_SLOTS = 3
LONG_SLOTS = 2
# Uploads, downloads and moves: they wait for a browser, a disk or the hosts most of the time, so threads of one process do.
BULK_SLOTS = 32
_M_ARENA_MAX = -8  # malloc.h
_STOP_FIRST, _STOP_NEXT, _STOP_LAST = range(3)
# What all of them, or the ones that fork again, would otherwise load each for themselves.
_SHARED_MODULES = (
    "webvirt.asgi",
    "webvirt.urls",
    "webvirt.doorway",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.events",
    "celery.worker.consumer",
    "billiard.heap",
    "billiard.popen_fork",
    "billiard.sharedctypes",
    "billiard.synchronize",
    "channels_redis.pubsub",
    "kombu.transport.redis",
    "redis.asyncio",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)


@dataclass(frozen=True)
class Redis:
    """A Redis to start."""

    binary: str
    socket: Path


def children(*, listener: socket.socket, redis: Redis | None, announce: tuple[str, ...]) -> list[Child]:
    """Every process, in starting order. The page is served before the others load: a person should not wait for a worker."""
    first = [_redis(redis)] if redis else []
    return [
        *first,
        Child("web", lambda: _web(listener), _STOP_FIRST, 8, ready=lambda: _serves(listener), announce=announce),
        Child("consolebridge", _without(listener, _console_bridge), _STOP_FIRST, 6),
        Child("watcher", _without(listener, _watcher), _STOP_NEXT, 8),
        Child("quick", _without(listener, lambda: _worker("quick", QUICK_SLOTS)), _STOP_NEXT, 10),
        Child("long", _without(listener, lambda: _worker("long", LONG_SLOTS)), _STOP_NEXT, 10),
        Child("bulk", _without(listener, lambda: _worker("bulk", BULK_SLOTS, pool="threads")), _STOP_NEXT, 10),
        Child("beat", _without(listener, _beat), _STOP_FIRST, 5),
        Child("machine", _without(listener, _find_hypervisor), _STOP_FIRST, 2, once=True),
    ]


def preload() -> None:
    """Loads what the children share and takes it out of the garbage collector's sight, which would otherwise touch, and so copy, every page."""
    import cffi
    from django.urls import get_resolver

    # glibc would give each of many threads an arena of its own, and never take it back.
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)

    for name in _SHARED_MODULES:
        importlib.import_module(name)
    get_resolver().url_patterns  # noqa: B018  (reading it imports every view)
    from webvirt.celery import app

    app.loader.import_default_modules()
    app.finalize()
    # billiard asks the kernel by cffi in every slot that it forks: the parser for its C is made here, once.
    cffi.FFI().cdef("int prctl (int __option, ...);")
    gc.collect()
    gc.freeze()


def _redis(redis: Redis) -> Child:
    return Child(
        "redis",
        lambda: redis_server.become_server(redis.binary, redis.socket),
        _STOP_LAST,
        5,
        ready=lambda: redis_server.answers(redis.socket),
    )


def _web(listener: socket.socket) -> None:
    import uvicorn
    from django.conf import settings

    from webvirt.doorway import Doorway

    options = uvicorn.Config(
        "webvirt.asgi:application",
        loop="uvloop",
        http=Doorway,
        ws="websockets-sansio",
        # A buffer for compression costs each open page 300 kB, to save bytes on messages of a hundred.
        ws_per_message_deflate=False,
        ws_max_size=65536,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        # The address of the person, when a reverse proxy on this machine (and no other) passes it on.
        proxy_headers=settings.BEHIND_TLS,
        server_header=False,
        timeout_graceful_shutdown=4,
    )
    uvicorn.Server(options).run(sockets=[listener])


def _worker(queue: str, slots: int, pool: str = "prefork") -> None:
    from celery.platforms import SecurityWarning
    from celery.signals import worker_process_init

    from webvirt.celery import app

    os.environ["CELERY_SKIP_CHECKS"] = "true"  # the system checks are script/lint's to run, not every start's
    master = os.getpid()
    worker_process_init.connect(lambda **_: die_with_parent(master), weak=False)
    # libvirt's system daemon is root's; a portal that is root for its sake need not be told at each start.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # Not by Celery's command line: that loads a shell with all of prompt_toolkit into every worker.
    worker = app.Worker(
        queues=queue,
        hostname=f"{queue}@{socket.gethostname()}",
        concurrency=slots,
        pool=pool,
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


def _beat() -> None:
    from webvirt.celery import app

    # In memory: every schedule of ours is "each n seconds", so there is nothing worth a file that a kill could damage.
    app.Beat(scheduler="celery.beat:Scheduler", loglevel="WARNING", quiet=True).run()


def _watcher() -> None:
    from django.core.management import call_command

    call_command("watcher")


def _console_bridge() -> None:
    from django.core.management import call_command

    # Its own port is for a reverse proxy; here browsers come in by the web process's door.
    call_command("consolebridge", "--port", "0", "--door", "--name", "stack")


def _find_hypervisor() -> None:
    from webvirt.hypervisor import connect_this_machine

    connect_this_machine()


def _serves(listener: socket.socket) -> bool:
    """Whether the web process answers; the socket queues us until it accepts."""
    connection = http.client.HTTPConnection(*launch.reachable(listener), timeout=2)
    try:
        connection.request("GET", "/healthz")
        # 400 where ALLOWED_HOSTS leaves out this machine's own name: an answer too.
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _without(listener: socket.socket, run: Callable[[], None]) -> Callable[[], None]:
    """Only the web process holds the port: no other may keep it taken."""

    def closed_first() -> None:
        listener.close()
        run()

    return closed_first
