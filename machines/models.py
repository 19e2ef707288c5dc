"""Virtual machines as their hosts last showed them, and their history."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host
from jobs.models import Job
from jobs.submit import Subject
from live.metrics import Sample


class State(models.TextChoices):
    """The values are those of virt.machine.State."""

    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    SHUTTING_DOWN = "shutting_down", "Shutting down"
    OFF = "off", "Off"
    CRASHED = "crashed", "Crashed"
    SUSPENDED = "suspended", "Asleep"  # the guest's own power management
    UNKNOWN = "unknown", "Unknown"


HALF = ("postcopy", "postcopy-failed")  # reasons for the state of one that went over to another host before its memory
ACTIVE_STATES = (State.RUNNING, State.PAUSED, State.SHUTTING_DOWN, State.SUSPENDED)


class Machine(models.Model):
    """(host, uuid) is the identity. Written by the watcher alone, but for `notes`.

    When its host does not answer, the row stays as last seen; when the host says that it is gone, `gone_at` is set
    and the row is kept for its history for a time.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="machines")
    uuid = models.CharField(max_length=36)
    name = models.CharField(max_length=255, db_index=True)
    title = models.CharField(max_length=255, blank=True)
    description = models.TextField(blank=True)
    notes = models.TextField(blank=True)  # Markdown, ours

    state = models.CharField(max_length=16, choices=State.choices, default=State.UNKNOWN)
    reason = models.CharField(max_length=64, blank=True)
    state_since = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)  # seen by us; null when it already ran at first sight
    persistent = models.BooleanField(default=True)
    autostart = models.BooleanField(default=False)
    has_saved_image = models.BooleanField(default=False)

    vcpus = models.PositiveIntegerField(default=0)
    memory_bytes = models.BigIntegerField(default=0)
    arch = models.CharField(max_length=16, blank=True)
    virt_type = models.CharField(max_length=16, blank=True)  # kvm, qemu, test…
    machine_type = models.CharField(max_length=64, blank=True)
    firmware = models.CharField(max_length=16, blank=True)
    os_id = models.CharField(max_length=255, blank=True)
    os_name = models.CharField(max_length=128, blank=True)
    guest_hostname = models.CharField(max_length=255, blank=True)
    agent = models.CharField(max_length=12, blank=True)  # "", answers, silent, missing
    addresses = models.JSONField(default=list)  # [{"ip", "prefix", "mac", "source"}]
    graphics = models.JSONField(default=list)
    disks = models.JSONField(default=list)
    nics = models.JSONField(default=list)
    search = models.TextField(blank=True)  # addresses and MACs, for one LIKE
    definition_hash = models.CharField(max_length=64, blank=True)

    # Averages of the last minute, for sorting and for top lists.
    cpu_percent = models.FloatField(null=True)
    memory_used_bytes = models.BigIntegerField(null=True)
    disk_bps = models.FloatField(null=True)
    net_bps = models.FloatField(null=True)

    first_seen_at = models.DateTimeField(default=timezone.now)
    gone_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        ordering: ClassVar = ["name", "pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["host", "uuid"], name="machine_identity")]
        indexes: ClassVar = [
            # Counts by host and state with what is allocated, for the list's tally, the tree and the dashboard: never the table.
            models.Index(fields=["gone_at", "host", "state", "vcpus", "memory_bytes"], name="machine_fleet"),
            models.Index(fields=["gone_at", "name", "id"], name="machine_name"),
            models.Index(fields=["uuid"], name="machine_uuid"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("machines:machine", args=[self.pk])

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def is_half(self) -> bool:
        """Its memory is on two hosts: alone, neither body is the machine."""
        return self.reason in HALF

    @property
    def is_stale(self) -> bool:
        return self.host.is_stale

    @property
    def topics(self) -> list[str]:
        return [f"machine:{self.pk}", "machines", f"host:{self.host_id}", "fleet"]

    @property
    def subject(self) -> Subject:
        return Subject("machine", self.pk, self.name, self.host_id, self.host.name)


class Tag(models.Model):
    """A word that people put on machines, ours as `notes` are; its colour comes from its text."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="tags")
    text = models.CharField(max_length=40, db_index=True)

    class Meta:
        ordering: ClassVar = ["text"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["machine", "text"], name="one_tag_once")]

    def __str__(self) -> str:
        return self.text


class Definition(models.Model):
    """Every definition ever seen, with when and by whom; also changes made outside. `xml` is the persistent one where there is one."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="definitions")
    at = models.DateTimeField(default=timezone.now)
    digest = models.CharField(max_length=64)
    xml = models.TextField()
    actor = models.CharField(max_length=150, blank=True)  # as in Event
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"definition {self.pk} of machine {self.machine_id}"


class Event(models.Model):
    """A line of a machine's history, whoever caused it."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=32)  # started, stopped, renamed, defined, gone, …
    words = models.CharField(max_length=400)
    actor = models.CharField(max_length=150, blank=True)
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["machine", "-id"], name="machine_event")]

    def __str__(self) -> str:
        return self.words


class MachineSample(Sample):
    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="samples")

    class Meta(Sample.Meta):
        indexes: ClassVar = [models.Index(fields=["machine", "resolution", "at"], name="machine_sample")]
