"""`manage.py ready`: the answer of /readyz on the command line, for health checks of containers without a web server."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand

from webvirt import health


class Command(BaseCommand):
    help = "Says whether the parts of the portal work, and when each was last seen. The exit status is 1 when one of them does not."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("part", nargs="*", choices=[[], *health.PARTS], help="only these parts (default: all)")

    def handle(self, *, part: list[str], **_: Any) -> None:
        found = health.look(part or list(health.PARTS))
        for name, state in found.items():
            self.stdout.write(f"{name}: {'ok' if state['ok'] else state.get('why', 'not ok')}, {state.get('age_seconds', '?')} s")
        sys.exit(0 if all(state["ok"] for state in found.values()) else 1)
