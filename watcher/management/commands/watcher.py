from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from watcher.supervisor import Supervisor

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Follow all hosts: what they show becomes rows, what changes becomes facts for open pages. Ends at SIGTERM or SIGINT."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()

        def ask_to_stop(number: int, frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask_to_stop)
        status = 1
        try:
            Supervisor().run(stop)
            status = 0
        except Exception:
            logger.exception("the watcher stumbled")
        finally:
            # Threads that are inside a call to a host that hangs would keep the process.
            logging.shutdown()
            os._exit(status)
