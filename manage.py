#!/usr/bin/env python
"""Entry point of every WebVirt process: `manage.py up`, `watcher`, `hosts`, `people`, …"""

from __future__ import annotations

import os
import sys


def main() -> None:
    from webvirt.launch import adopt

    adopt(sys.argv)  # `up`'s options become variables before the settings read them
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webvirt.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
