"""The product's settings for tests that run inside pytest's process: a data directory of their own, and password hashes that take no time."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

os.environ["WEBVIRT_DATA"] = tempfile.mkdtemp(prefix="webvirt-tests-")
atexit.register(shutil.rmtree, os.environ["WEBVIRT_DATA"], ignore_errors=True)

from webvirt.settings import *  # noqa: E402, F403  (the directory first: the settings read it)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A file, not memory: heartbeat threads and real workers have connections of their own to it.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}  # noqa: F405

DOWNLOAD_PATIENCE_SECONDS = 0.1  # no worker runs
