"""Durable long operations: the row is the truth, the broker's message only a nudge."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from jobs import kinds, subjects


class State(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    INTERRUPTED = "interrupted", "Interrupted"


ACTIVE = (State.QUEUED, State.RUNNING)

# A job that runs is in one of three conditions:
#   held        a worker is at it: `claim` is that delivery's, `heartbeat_at` is fresh
#   waiting     the host is at it and no worker is needed: `wait_until` is set, `claim` is empty
#   held by nobody   its worker died or lost the host; the host is asked what became of it (jobs.run.settle)
WAITING = Q(state=State.RUNNING, wait_until__isnull=False)
HELD_BY_NOBODY = Q(state=State.RUNNING, wait_until__isnull=True, claim="")


class Lane(models.Model):
    """What jobs have to share, by name: "link:3-5" (jobs/lanes.py). A row only so that it can be locked."""

    name = models.CharField(max_length=64, primary_key=True)

    def __str__(self) -> str:
        return self.name


class Job(models.Model):
    """One operation that somebody asked for.

    queued → running → done | failed | cancelled | interrupted. *Interrupted*: its worker died and the host shows
    that the effect is not there. `params` holds no secret.
    """

    kind = models.CharField(max_length=64)
    subject_type = models.CharField(max_length=16)  # one of jobs/subjects.py: "machine", "host", …
    subject_id = models.BigIntegerField()
    subject_name = models.CharField(max_length=255)
    host_id = models.BigIntegerField(default=0, db_index=True)
    host_name = models.CharField(max_length=255, blank=True)
    params = models.JSONField(default=dict)
    changing = models.BooleanField(default=True)
    batch = models.CharField(max_length=32, blank=True, db_index=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    lanes = models.ManyToManyField(Lane, related_name="jobs")
    held_back = models.BooleanField(default=False)  # queued, and a worker found a lane full: the end of another wakes it

    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    progress = models.FloatField(null=True)  # percent, null while unknown
    phase = models.CharField(max_length=200, blank=True)
    figures = models.JSONField(default=dict)  # what the host counts: "left_seconds", "bytes_per_second", and more of the kind's own
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)  # for the person who asked
    detail = models.TextField(blank=True)  # libvirt's own words
    retry_helps = models.BooleanField(default=False)

    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_by_name = models.CharField(max_length=150, blank=True)
    cancel_asked_by = models.CharField(max_length=150, blank=True)

    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    enqueued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    wait_until = models.DateTimeField(null=True)  # set while it waits for the host without a worker
    claim = models.CharField(max_length=32, blank=True)  # of the delivery that runs it
    attempts = models.PositiveIntegerField(default=0)  # deliveries so far; with `claim`, which of them may write

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # One changing job a subject: a second one is refused by the database, not by code that hopes.
            models.UniqueConstraint(
                fields=["subject_type", "subject_id"],
                condition=Q(changing=True, state__in=["queued", "running"]),
                name="one_changing_job_per_subject",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["subject_type", "subject_id", "-id"], name="job_subject"),
            models.Index(fields=["state", "-id"], name="job_state"),
        ]

    def __str__(self) -> str:
        return f"{self.title} {self.subject_name}"

    def get_absolute_url(self) -> str:
        return reverse("jobs:job", args=[self.pk])

    @property
    def title(self) -> str:
        return kinds.known(self.kind).title

    @property
    def icon(self) -> str:
        return kinds.known(self.kind).icon

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def can_cancel(self) -> bool:
        if self.cancel_asked_by or not self.is_active:
            return False
        # One that waited before is only looked at for a moment, and will wait again.
        return not self.is_held or self.attempts > 1 or kinds.known(self.kind).cancellable

    @property
    def is_held(self) -> bool:
        """A worker is at it now."""
        return self.state == State.RUNNING and self.wait_until is None and bool(self.claim)

    @property
    def subject_url(self) -> str:
        return subjects.url(self.subject_type, self.subject_id)

    @property
    def subject_icon(self) -> str:
        return subjects.icon(self.subject_type)

    @property
    def topics(self) -> list[str]:
        parents = [f"job:{self.parent_id}"] if self.parent_id else []
        return [f"job:{self.pk}", *parents, "jobs", f"{self.subject_type}:{self.subject_id}"]

    @property
    def rights_key(self) -> dict[str, Any]:
        """Whose rights decide who hears of it: the machine's, or the host's."""
        return {"host_id": self.host_id, "machine_id": self.subject_id if self.subject_type == "machine" else 0}


class JobLine(models.Model):
    """A line of a job's log, written for a person."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="lines")
    at = models.DateTimeField(default=timezone.now)
    text = models.TextField()

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.text
