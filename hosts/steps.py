"""The steps of a connection test as the page shows them: what was found, what runs, what is still to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _lazy

from hosts import endpoints
from hosts.models import Host, HostTest, Kind
from jobs.models import Job
from jobs.models import State as JobState

# What each step is about, by virt.probe's names.
TITLES: Mapping[str, Any] = {
    "name": _lazy("Name"),
    "route": _lazy("Way through the network"),
    "port": _lazy("Port"),
    "host key": _lazy("Host key"),
    "login": _lazy("Login"),
    "libvirt socket": _lazy("libvirt"),
    "permission": _lazy("Permission"),
    "version": _lazy("Versions"),
    "identity": _lazy("Known already?"),
    "ssh name": _lazy("Consoles: name"),
    "ssh route": _lazy("Consoles: way through the network"),
    "ssh port": _lazy("Consoles: port"),
    "ssh host key": _lazy("Consoles: host key"),
    "ssh login": _lazy("Consoles: login"),
}

# In the order of virt.probe.ORDER (which pages may not import), and then whether it is another host's double.
_LAST = ("permission", "version", "identity")
EXPECTED: Mapping[str, tuple[str, ...]] = {
    Kind.SSH: ("name", "route", "port", "host key", "login", "libvirt socket", *_LAST),
    Kind.TLS: ("name", "route", "port", "libvirt socket", "host key", "login", *_LAST),
    Kind.TCP: ("name", "route", "port", "libvirt socket", "login", *_LAST),
    Kind.LOCAL: ("libvirt socket", *_LAST),
    Kind.SESSION: ("libvirt socket", *_LAST),
    Kind.SOCKET: ("libvirt socket", *_LAST),
    Kind.TEST: ("version",),
}


# After those, where displays alone are reached through SSH: virt.probe.FORWARDING.
_FORWARDING = ("ssh name", "ssh route", "ssh port", "ssh host key", "ssh login")


def expected(host: Host) -> tuple[str, ...]:
    """The names of its steps, in their order."""
    through_ssh = endpoints.uses_ssh(host.kind, host.console_way) and not endpoints.has_host_key(host.kind)
    return EXPECTED[host.kind] + (_FORWARDING if through_ssh else ())


@dataclass(frozen=True)
class Shown:
    """`state`: ok, failed, asks (a person has to decide), runs, waits or skipped."""

    name: str
    title: Any
    state: str
    words: str = ""
    fix: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Progress:
    """The newest test of a host with its job."""

    test: HostTest | None
    job: Job | None
    steps: list[Shown]

    @classmethod
    def of(cls, host: Host) -> Progress:
        """Two queries. Where a test was just asked for, the old one's steps are gone already."""
        job = Job.objects.filter(kind="hosts.test", subject_type="host", subject_id=host.pk).order_by("-id").first()
        test = HostTest.objects.filter(host=host).order_by("-id").first()
        if job and (test is None or test.job_id != job.pk):
            test = None if job.is_active else test
        return cls(test, job, _shown(host, test, job))

    @property
    def runs(self) -> bool:
        return bool(self.job and self.job.is_active)

    @property
    def passed(self) -> bool:
        return bool(self.test and self.test.passed and not self.runs)

    @property
    def broken(self) -> Shown | None:
        """The step that stopped it."""
        return next((step for step in self.steps if step.state == "failed"), None)

    @property
    def asks(self) -> Shown | None:
        return next((step for step in self.steps if step.state == "asks"), None)

    @property
    def trouble(self) -> str:
        """Why there is no result though nothing runs: the job itself went wrong."""
        if self.job and not self.runs and self.job.state != JobState.DONE and (self.test is None or self.test.passed is None):
            return self.job.error or str(JobState(self.job.state).label)
        return ""


def of_job(job_id: int) -> list[Shown]:
    """What the test of a job found, for the job's own page."""
    test = HostTest.objects.filter(job_id=job_id).first()
    return [_step(record) for record in test.steps] if test else []


def _shown(host: Host, test: HostTest | None, job: Job | None) -> list[Shown]:
    done = [_step(record) for record in test.steps] if test else []
    names = [step.name for step in done]
    rest = [name for name in expected(host) if name not in names]
    runs = bool(job and job.is_active)
    stopped = any(step.state in ("failed", "asks") for step in done)
    if not runs and test is None:
        return []
    coming = ["runs" if runs and not stopped and index == 0 else "waits" if runs and not stopped else "skipped" for index in range(len(rest))]
    return done + [Shown(name, TITLES[name], state) for name, state in zip(rest, coming, strict=True)]


def _step(record: Mapping[str, Any]) -> Shown:
    name = str(record["name"])
    state = record.get("state") or ("ok" if record["ok"] else "failed")
    return Shown(name, TITLES.get(name, name.capitalize()), state, record.get("words", ""), record.get("fix", ""), record.get("detail", ""))


def records(done: Sequence[Any], asks: Mapping[str, str]) -> list[dict[str, Any]]:
    """virt.probe's steps as they are stored; `asks` marks the step at which a person has to decide."""
    kept = [{"name": step.name, "ok": step.ok, "words": step.words, "fix": step.fix, "detail": step.detail} for step in done]
    return [record | ({"state": asks[record["name"]]} if record["name"] in asks else {}) for record in kept]
