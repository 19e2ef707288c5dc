"""Readiness by the API: what the pages tell."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from accounts.api import person
from accounts.roles import Role
from hosts import access
from hosts.models import Host
from hosts.readiness import actions
from hosts.readiness.report import Line, Report
from jobs.api import Id

router = Router()


class CommandOut(Schema):
    text: str = Field(description="lines for a root shell of the host")
    where: str = Field(description="the distributions it is for, empty for all")


class CheckOut(Schema):
    name: str
    title: str
    state: str = Field(description="fine, warning, missing or unknown")
    value: str
    means: str = Field(description="what it means for machines")
    fix: str
    commands: list[CommandOut]

    @staticmethod
    def of(line: Line) -> CheckOut:
        commands = [CommandOut(text=command.text, where=command.where) for command in line.fix.commands]
        return CheckOut(
            name=line.name, title=str(line.title), state=line.state, value=str(line.value), means=str(line.means), fix=str(line.fix.words), commands=commands
        )


class ReadinessOut(Schema):
    read_at: datetime | None = Field(description="null: not looked at yet")
    emulates: bool = Field(description="machines run without KVM")
    asked_itself: bool = Field(description="the host's own shell told its part; otherwise libvirt alone")
    why_not_asked: str
    checks: list[CheckOut]


class LackOut(Schema):
    host_id: int
    host: str
    read_at: datetime
    missing: list[str]
    warnings: list[str]


@router.get("/readiness", response=list[LackOut], summary="Which hosts lack what")
def list_readiness(request: HttpRequest) -> list[LackOut]:
    hosts = access.visible(person(request)).select_related("readiness").exclude(readiness=None).only("pk", "name", "readiness__states", "readiness__read_at")
    return [
        LackOut(host_id=host.pk, host=host.name, read_at=host.readiness.read_at, missing=_named(host, "missing"), warnings=_named(host, "warning"))
        for host in hosts
    ]


@router.get("/{host_id}/readiness", response=ReadinessOut, summary="Whether the host is ready for machines")
def read_readiness(request: HttpRequest, host_id: Id) -> ReadinessOut:
    report = Report(access.get(person(request), host_id))
    return ReadinessOut(
        read_at=report.read_at,
        emulates=report.emulates,
        asked_itself=bool(report.facts and report.facts.shown),
        why_not_asked=report.why_not_asked,
        checks=[CheckOut.of(line) for line in report.lines],
    )


@router.post("/{host_id}/readiness/check", response={202: None}, summary="Look at the host again, now")
def check_readiness(request: HttpRequest, host_id: Id) -> tuple[int, None]:
    actions.check_again(access.get(person(request), host_id, Role.OPERATOR))
    return 202, None


def _named(host: Host, state: str) -> list[str]:
    return [name for name, found in host.readiness.states.items() if found == state]
