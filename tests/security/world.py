"""A small world for questions of rights: two hosts, three machines, jobs, people with every role on some of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts import tokens
from accounts.models import AuditEntry, Grant, Token, User
from accounts.rights import ADMINISTRATOR
from accounts.roles import Role, Scope
from hosts import keys
from hosts.models import Host
from jobs.models import Job
from machines.models import Definition, Machine, State
from tests.security.rows import Kind

OFFERED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6q4oV6kJ6dRZ2c3yqV0cN0lGm7m8kq1m7d0c3l5Xyz"
LEVELS = {"nothing": 0, "viewer": Role.VIEWER, "console": Role.CONSOLE, "operator": Role.OPERATOR, "manager": Role.MANAGER}


@dataclass
class Thing:
    """One of each kind: those near are the ones that people have roles on, those far are foreign."""

    host: Host
    machine: Machine
    job: Job
    definition: Definition
    person: User
    grant: Grant
    token: Token
    others: dict[str, dict[str, Any]] = field(default_factory=dict)  # of the kinds that apps add: the arguments of addresses

    def keys(self, kind: str) -> dict[str, Any]:
        """The arguments of an address about the object of that kind."""
        return {
            **self.others,
            "": {},
            "host": {"pk": self.host.pk, "host_id": self.host.pk},
            "machine": {"pk": self.machine.pk, "machine_id": self.machine.pk, "version": self.definition.pk},
            "job": {"pk": self.job.pk, "job_id": self.job.pk},
            "person": {"pk": self.person.pk, "grant_pk": self.grant.pk, "token_pk": self.token.pk},
            "token": {"pk": self.token.pk},
        }[kind]


class World:
    def __init__(self) -> None:
        keys.portal_key()
        self.near, self.far = self._thing("near"), self._thing("far")
        # On the host of `near`, but not the machine that some people have a role on.
        self.neighbour = self._machine(self.near.host, "neighbour")
        self.root = User.objects.create(username="root", is_superuser=True)
        User.objects.create(username="spare", is_superuser=True)  # so that none of them is the last
        self.people: dict[str, User] = {"administrator": self.root}
        for name, level in LEVELS.items():
            self.people[f"{name} of the host"] = self._person(f"h-{name}", level, Scope.HOST, self.near.host.pk)
            if not level:
                continue  # nobody's nothing differs
            self.people[f"{name} of the machine"] = self._person(f"m-{name}", level, Scope.MACHINE, self.near.machine.pk)
        self.people["manager of the fleet"] = self._person("f-manager", Role.MANAGER, Scope.FLEET, 0)
        self.tokens = {name: tokens.create(user, "test") for name, user in self.people.items()}
        for thing in (self.near, self.far):
            for name, more in kinds().items():
                thing.others[name] = more.make(thing)
        self.before = fingerprint()

    def level(self, who: str, kind: str, *, near: bool) -> int:
        """The role that somebody has on the object of that kind; 0 when it is foreign to them."""
        if who == "administrator":
            return ADMINISTRATOR
        if who == "manager of the fleet":
            return Role.MANAGER
        kind = kinds()[kind].rights if kind in kinds() else kind
        role, _, scope = who.partition(" of the ")
        if not near or (scope == "machine" and kind == "host"):
            return 0
        return LEVELS[role]

    def _thing(self, name: str) -> Thing:
        host = Host.objects.create(name=name, address=f"{name}.example", kind="ssh", state="online", host_key_offered=OFFERED, enabled=True)
        machine = self._machine(host, f"machine-{name}")
        started = timezone.now()
        # Held by nobody: it can be cancelled, and does not stand in the way of other jobs of the machine.
        job = Job.objects.create(
            kind="machines.start", subject_type="machine", subject_id=machine.pk, subject_name=machine.name, host_id=host.pk, host_name=host.name,
            changing=False, batch=f"batch-{name}", started_at=started,
        )  # fmt: skip
        person = User.objects.create(username=f"person-{name}")
        return Thing(
            host,
            machine,
            job,
            Definition.objects.create(machine=machine, digest="d", xml="<domain/>"),
            person,
            Grant.objects.create(user=person, role=Role.VIEWER, scope=Scope.FLEET),
            Token.objects.create(user=person, name="t", prefix="wv_x", digest=hashlib.sha256(name.encode()).hexdigest()),
        )

    def _machine(self, host: Host, name: str) -> Machine:
        number = Machine.objects.count() + 1
        return Machine.objects.create(host=host, uuid=f"00000000-0000-0000-0000-{number:012d}", name=name, state=State.OFF)

    def _person(self, name: str, level: int, scope: Scope, object_id: int) -> User:
        user = User.objects.create(username=name)
        if level:
            Grant.objects.create(user=user, role=level, scope=scope, object_id=object_id)
        return user


@cache
def kinds() -> dict[str, Kind]:
    """The kinds of objects that the files of tests/security/apps add as `KINDS`."""
    files = [import_module(f"tests.security.apps.{path.stem}") for path in sorted((Path(__file__).parent / "apps").glob("*.py"))]
    return {name: kind for file in files for name, kind in getattr(file, "KINDS", {}).items()}


@contextmanager
def writes() -> Iterator[list[str]]:
    """What is sent to the database meanwhile that may change what `fingerprint` is of: that takes long, and most requests write nothing."""
    found: list[str] = []

    def look(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not _HARMLESS.match(sql):
            found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        yield found


_HARMLESS = re.compile(
    r"""\s*(SELECT|SAVEPOINT|RELEASE|ROLLBACK|BEGIN|INSERT\ INTO\ "(accounts_auditentry|django_session)"|UPDATE\ "django_session")""", re.VERBOSE
)


def fingerprint() -> str:
    """Of all that the product keeps, but for sessions, the log of who did what, and when a token was used."""
    digest = hashlib.sha256()
    ours = {path.name for path in Path(settings.BASE_DIR).iterdir() if (path / "__init__.py").exists()}
    for app in apps.get_app_configs():
        for model in app.get_models() if app.name.partition(".")[0] in ours else ():
            if model is not AuditEntry:
                digest.update(repr([_still(row) for row in model._default_manager.order_by("pk").values()]).encode())
    return digest.hexdigest()


def _still(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("last_used_at", "last_login")}
