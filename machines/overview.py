"""What the page of one machine shows: the facts of its row, put as a person reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import Role
from jobs import access as job_access
from jobs.models import ACTIVE, Job
from jobs.models import State as JobState
from live.tabs import Notice, Shown
from machines import access, actions, company, history, tabs
from machines.company import Visit
from machines.models import Machine, State
from machines.power import VERBS, Verb
from machines.rows import os_icon, os_words, shown_state

_RECENT_LINES = 8
_FORCE_AFTER = timedelta(minutes=15)
_GENTLE = ("machines.shutdown", "machines.reboot")
_MENU = ("start", "shutdown", "reboot", "pause", "resume", "save", "restore", "reset", "force-off", "nmi")
_PRIMARY = {
    State.OFF: "start",
    State.CRASHED: "start",
    State.RUNNING: "shutdown",
    State.PAUSED: "resume",
    State.SUSPENDED: "resume",
    State.SHUTTING_DOWN: "force-off",
}


@dataclass(frozen=True)
class Choice:
    """A verb with why it can't be chosen now, "" when it can."""

    verb: Verb
    why_not: str


@dataclass(frozen=True)
class Nic:
    card: str
    network: str
    mac: str
    model: str
    link_up: bool
    ips: list[str]

    @property
    def more(self) -> int:
        return len(self.ips) - 1


@dataclass(frozen=True)
class Disk:
    target: str
    where: str  # pool or folder, with what parts it from the name
    name: str
    device: str
    bus: str
    format: str
    readonly: bool


class Overview:
    """One machine as one person may see it."""

    def __init__(self, machine: Machine, user: User) -> None:
        self.machine = machine
        self._user = user

    # ── what the person may ──

    def _may(self, role: Role) -> bool:
        return access.may(self._user, self.machine, role)

    @cached_property
    def sees_host(self) -> bool:
        return self._user.rights.on_host(self.machine.host_id) >= Role.VIEWER

    @cached_property
    def acts(self) -> bool:
        return self._may(Role.OPERATOR) and not self.machine.gone_at

    @cached_property
    def types(self) -> bool:
        """May type into its console; whoever sees it may watch."""
        return self._may(Role.CONSOLE)

    @cached_property
    def company(self) -> list[Visit]:
        """Who is on its console."""
        return company.now(self.machine)

    @cached_property
    def changes_it(self) -> bool:
        """May change its hardware."""
        return self._may(Role.MANAGER) and not self.machine.gone_at

    @cached_property
    def twins(self) -> list[Machine]:
        """The same machine on other hosts, without having been moved there: whoever runs both spoils its disks."""
        if self.machine.gone_at:
            return []
        others = access.visible(self._user).filter(uuid=self.machine.uuid).exclude(pk=self.machine.pk).select_related("host")
        same_host = self.machine.host.host_uuid  # a host under two names is told on its own page
        return [other for other in others[:5] if not same_host or other.host.host_uuid != same_host]

    @cached_property
    def tabs(self) -> list[Shown]:
        return tabs.PARTS.tabs(self.machine, self._role)

    @cached_property
    def deeds(self) -> list[Shown]:
        """What else can be done with it; nothing with one that is gone."""
        return [] if self.machine.gone_at else tabs.PARTS.deeds(self.machine, self._role)

    @cached_property
    def notices(self) -> list[Notice]:
        """What is wrong with it; nothing with one that is gone or not seen now."""
        return [] if self.machine.gone_at or self.machine.is_stale else tabs.PARTS.notices(self.machine)

    @property
    def _role(self) -> int:
        return self._user.rights.on_machine(self.machine.pk, self.machine.host_id)

    @cached_property
    def tags(self) -> list[str]:
        return list(self.machine.tags.values_list("text", flat=True))

    # ── state ──

    @cached_property
    def job(self) -> Job | None:
        """The changing job that runs or waits, if the person may see it (they may: it is about this machine)."""
        return next((job for job in self._jobs if job.is_active and job.changing), None)

    @property
    def shown(self) -> tuple[str, Any]:
        """Shape and word of the state."""
        if self.machine.gone_at:
            return "gone", ""
        doing = self.job.kind if self.job else ""
        seen_at = self.machine.host.last_seen_at
        return shown_state(self.machine.state, stale=self.machine.is_stale, seen_at=seen_at, saved=self.machine.has_saved_image, doing=doing)

    @property
    def is_live(self) -> bool:
        """On, and its host answers: there are numbers and a screen."""
        return self.machine.is_active and not self.machine.is_stale and not self.machine.gone_at

    # ── actions ──

    @cached_property
    def primary(self) -> Choice:
        if self.machine.state == State.OFF and self.machine.has_saved_image:
            return self._choice("restore")
        return self._choice(_PRIMARY.get(State(self.machine.state), "start"))

    @cached_property
    def menu(self) -> list[Choice]:
        """All verbs but the primary one; those that can't be chosen say why."""
        return [self._choice(name) for name in _MENU if name != self.primary.verb.name]

    @property
    def choices(self) -> list[Choice]:
        """The same in one row, what can be done first."""
        return sorted([self.primary, *self.menu], key=lambda choice: bool(choice.why_not))

    def _choice(self, name: str) -> Choice:
        verb = VERBS[name]
        why_not = actions.refusal(verb, self.machine)
        if not why_not and name == "force-off":
            why_not = self._why_not_force
        return Choice(verb, why_not or self._why_not_now(name))

    def _why_not_now(self, name: str) -> str:
        """One changing job at a time; force alone goes over a gentle one that waits for the guest."""
        if self.job is None or (name in ("force-off", "reset") and self.job.kind in _GENTLE):
            return ""
        return _("%(title)s is under way.") % {"title": self.job.title}

    @cached_property
    def _why_not_force(self) -> str:
        """Force is offered where the gentle way failed, runs, or is not there."""
        if self.machine.state != State.RUNNING:
            return ""
        since = timezone.now() - _FORCE_AFTER
        tried = any(job.kind in _GENTLE and (job.is_active or (job.state != JobState.DONE and (job.finished_at or since) > since)) for job in self._jobs)
        return "" if tried else _("Shut it down first: force is offered while the guest does not obey.")

    # ── history ──

    @cached_property
    def _jobs(self) -> list[Job]:
        """The newest jobs, and the one that is at it however long ago it was asked for."""
        mine = job_access.visible(self._user).filter(subject_type="machine", subject_id=self.machine.pk)
        newest = list(mine.order_by("-id")[:_RECENT_LINES])
        if len(newest) == _RECENT_LINES and not any(job.is_active for job in newest):
            newest += mine.filter(changing=True, state__in=ACTIVE)
        return newest

    @cached_property
    def lines(self) -> Sequence[history.Line]:
        return history.merged(self.machine.events.order_by("-id")[:_RECENT_LINES], self._jobs, most=_RECENT_LINES)

    # ── facts ──

    @cached_property
    def nics(self) -> list[Nic]:
        return [
            Nic(
                card=nic.get("target") or nic.get("model") or nic.get("kind", ""),
                network=nic.get("source", ""),
                mac=nic.get("mac", ""),
                model=nic.get("model", ""),
                link_up=bool(nic.get("link_up", True)),
                ips=_ipv4_first(address["ip"] for address in self.machine.addresses if address.get("mac") and address["mac"] == nic.get("mac")),
            )
            for nic in self.machine.nics
        ]

    @cached_property
    def disks(self) -> list[Disk]:
        return [_disk(disk) for disk in self.machine.disks]

    @property
    def writable(self) -> list[Disk]:
        """What unsaved data could be lost of."""
        return [disk for disk in self.disks if disk.name and not disk.readonly and disk.device in ("disk", "lun")]

    @property
    def why_not_autostart(self) -> str:
        """Why autostart can't be switched now, "" when it can."""
        return actions.autostart_refusal(self.machine)

    @cached_property
    def ips(self) -> list[str]:
        return _ipv4_first(str(address.get("ip", "")) for address in self.machine.addresses)

    @property
    def more_ips(self) -> int:
        return len(self.ips) - 4

    @property
    def os(self) -> str:
        return self.machine.os_name or os_words(self.machine.os_id)

    @property
    def os_icon(self) -> str:
        return os_icon(self.machine.os_id, self.machine.os_name)

    @cached_property
    def report(self) -> Any:
        """What the guest's agent said of its users and file systems (machines.hardware.models.GuestReport), None without."""
        return getattr(self.machine, "guest_report", None) if self.is_live and self.machine.agent in ("answers", "silent") else None

    @property
    def agent_fix(self) -> str:
        """What to do so that the guest can be asked, "" where it can."""
        if not self.is_live or self.machine.agent == "answers":
            return ""
        return {
            "": _("It has no channel for a guest agent: add one under Hardware."),
            "missing": _("Install qemu-guest-agent in the guest and start it: then its addresses, users and file systems are shown here."),
            "silent": _("The agent does not answer. Restart qemu-guest-agent in the guest."),
        }.get(self.machine.agent, "")

    @property
    def accelerator(self) -> str:
        names = {"kvm": _("KVM"), "qemu": _("emulated"), "test": _("test driver")}
        return names.get(self.machine.virt_type, self.machine.virt_type)

    @property
    def firmware(self) -> str:
        return {"efi": "UEFI", "bios": "BIOS"}.get(self.machine.firmware, "")


def _ipv4_first(ips: Iterable[str]) -> list[str]:
    """It is what people type."""
    return sorted(ips, key=lambda ip: ":" in ip)


def _disk(disk: dict[str, Any]) -> Disk:
    source, pool = disk.get("source", ""), disk.get("pool", "")
    if pool:
        where, name = f"{pool} /", disk.get("volume", "")
    else:
        folder, slash, name = source.rpartition("/")
        where = f"{folder}{slash}" if slash else ""
        match = re.fullmatch(r"([a-z]+):(.+)", source)
        where, name = (f"{match[1]} /", match[2]) if match and not slash else (where, name)
    return Disk(
        target=disk.get("target", ""),
        where=where,
        name=name,
        device=disk.get("device", ""),
        bus=disk.get("bus", ""),
        format=disk.get("format", ""),
        readonly=bool(disk.get("readonly")),
    )
