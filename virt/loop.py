"""libvirt's own event loop, in one thread for the whole process.

Events and keepalive live in it: without a running loop no event arrives and no frozen host is noticed.
"""

from __future__ import annotations

import logging
import os
import threading
import time

import libvirt

logger = logging.getLogger(__name__)


class Loop:
    """Started once per process, before the first connection that needs it is opened."""

    _lock = threading.Lock()
    _pid = 0

    @classmethod
    def start(cls) -> None:
        """Start the loop unless this very process runs it already (a forked child has no thread of its parent's)."""
        with cls._lock:
            if cls._pid == os.getpid():
                return
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(target=cls._run, name="libvirt-events", daemon=True).start()
            cls._pid = os.getpid()

    @staticmethod
    def _run() -> None:
        while True:
            try:
                libvirt.virEventRunDefaultImpl()
            except libvirt.libvirtError:
                logger.exception("libvirt's event loop stumbled")
                time.sleep(0.5)
