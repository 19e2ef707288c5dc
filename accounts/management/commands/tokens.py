"""`manage.py tokens`: tokens for the API, from the command line of the portal's server."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts import audit, tokens
from accounts.models import User
from accounts.people import folded


class Command(BaseCommand):
    help = "Makes a token with which a program may do over the API what its person may."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        create = commands.add_parser("create", help="make a token and print it; it can't be shown again")
        create.add_argument("name", help="the person's user name")
        create.add_argument("--expires-days", type=int, default=0, metavar="N", help="valid for N days (default: no end)")

    def handle(self, *args: Any, name: str, expires_days: int, **options: Any) -> None:
        user = User.objects.filter(username=folded(name), is_active=True).first()
        if user is None:
            raise CommandError(f"There is nobody active with the name {name}.")
        if not 0 <= expires_days <= 36_500:
            raise CommandError("--expires-days is a number of days from now.")
        expires_at = timezone.now() + timedelta(days=expires_days) if expires_days else None
        with transaction.atomic():
            text = tokens.create(user, "command line", expires_at)
            audit.record("tokens.create", "command line", detail={"of": user.username})
        self.stdout.write(text)
