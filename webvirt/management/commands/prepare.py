"""`manage.py prepare`: what `up` does before it starts the processes, for where something else starts them (docker-compose.yml)."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from webvirt.prepare import prepare


class Command(BaseCommand):
    help = "Brings the database up to date and prints the link with which the first administrator is made, while there is none."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--address", default="", help="the portal's address as people type it, such as https://portal.example")

    def handle(self, *, address: str, **_: Any) -> None:
        link = prepare()
        if link:
            self.stdout.write(f"First visit: make the administrator at {address.rstrip('/')}{link} (works once)")
