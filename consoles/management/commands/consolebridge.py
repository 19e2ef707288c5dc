from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from consoles import handover

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Carry consoles between browsers and machines. Ends at SIGTERM or SIGINT."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="where a reverse proxy reaches it (default: %(default)s)")
        parser.add_argument("--port", default=8001, type=int, help="0: any free port (default: %(default)s)")
        parser.add_argument("--door", action="store_true", help="take connections from the web process on this machine too")
        parser.add_argument("--name", default="", help="what it calls itself; a second one on the same machine needs another (default: host name and port)")

    def handle(self, *args: Any, **options: Any) -> None:
        from consoles.bridge.server import serve

        stop = threading.Event()

        def ask_to_stop(number: int, frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask_to_stop)
        door = handover.door(settings.DATA_DIR) if options["door"] else None
        name = options["name"] or f"{socket.gethostname()}:{options['port']}"
        status = 1
        try:
            serve(options["bind"], options["port"], door, name, stop)
            status = 0
        except Exception:
            logger.exception("the console bridge stumbled")
        finally:
            # Threads that are inside a call to a host that hangs would keep the process.
            logging.shutdown()
            os._exit(status)
