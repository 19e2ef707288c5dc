"""`manage.py people`: the people of this portal, from the command line of its server."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts import attempts, objects, people
from accounts.models import User
from accounts.roles import Role, Scope

_ROLES = {role.label.lower(): role for role in Role}


class Command(BaseCommand):
    help = "Adds and lists people, and lifts the limit on somebody's sign-in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        add = commands.add_parser("add", help="add a person with one role")
        add.add_argument("name")
        add.add_argument("--role", required=True, choices=[*_ROLES, "administrator"])
        add.add_argument("--password-stdin", required=True, action="store_true", help="read the password from standard input")
        about = add.add_mutually_exclusive_group()
        about.add_argument("--host", default="", metavar="HOST", help="the role is on this host and its machines (default: on the fleet)")
        about.add_argument("--machine", default="", metavar="MACHINE", help="the role is on this machine, by name or uuid")
        commands.add_parser("list", help="list people and their roles")
        unlock = commands.add_parser("unlock", help="let a person try to sign in again at once, after too many wrong passwords")
        unlock.add_argument("name")

    def handle(self, *args: Any, command: str, **options: Any) -> None:
        {"add": self._add, "list": self._list, "unlock": self._unlock}[command](options)

    def _add(self, options: dict[str, Any]) -> None:
        role = _ROLES.get(options["role"])
        scope, object_id = _about(options["host"], options["machine"])
        if role is None and scope != Scope.FLEET:
            raise CommandError("An administrator may everything: leave --host and --machine out.")
        try:
            with transaction.atomic():
                user = people.add(options["name"], sys.stdin.readline().rstrip("\r\n"), administrator=role is None)
                if role is not None:
                    people.grant(user, role, scope, object_id)
        except ValidationError as exc:
            raise CommandError(" ".join(exc.messages)) from exc
        except people.Refused as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(f"Added {user.username}.")

    def _list(self, options: dict[str, Any]) -> None:
        for user in User.objects.prefetch_related("grants").order_by("username"):
            grants = ", ".join(f"{grant.get_role_display().lower()} on {people.in_words(grant)}" for grant in user.grants.all())
            may = "administrator" if user.is_superuser else grants or "no role"
            self.stdout.write(f"{user.username}\t{may}{'' if user.is_active else ', disabled'}")

    def _unlock(self, options: dict[str, Any]) -> None:
        attempts.forget(options["name"])
        self.stdout.write(f"{options['name']} can try again.")


def _about(host: str, machine: str) -> tuple[Scope, int]:
    """What the role is about; CommandError unless the name fits exactly one."""
    if not host and not machine:
        return Scope.FLEET, 0
    scope, name = (Scope.HOST, host) if host else (Scope.MACHINE, machine)
    found = objects.search(scope, name, most=200)
    exact = [one for one in found if one.name == name] or found
    if len(exact) != 1:
        several = "; ".join(f"{one.name} ({one.note})" for one in exact[:10])
        raise CommandError(f"Several fit, name one by its uuid: {several}" if exact else f"There is no {scope} {name}.")
    return scope, exact[0].id
