"""Rounds of moves: what was planned for many machines, and what became of each. Written by people's wishes and by the round's job."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host
from jobs.models import Job
from jobs.submit import Subject
from machines.models import Machine


class Reach(models.Model):
    """What came of the last try whether one host's libvirt reaches another's. Written by the job that tried."""

    source = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="reaches")
    target = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="reached_from")
    works = models.BooleanField()
    words = models.TextField(blank=True)  # why not, for people
    tried_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["source", "target"], name="one_reach_a_pair")]

    def __str__(self) -> str:
        return f"{self.source_id} → {self.target_id}"


class Kind(models.TextChoices):
    MAINTENANCE = "maintenance", "Maintenance"  # all of a host, away from it
    BACK = "back", "Back from maintenance"
    SELECTION = "selection", "Moves"


class Round(models.Model):
    """One parent job's work. `host`: whose maintenance it is; None for a selection of machines."""

    kind = models.CharField(max_length=12, choices=Kind.choices)
    host = models.ForeignKey(Host, null=True, on_delete=models.CASCADE, related_name="rounds")
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="round")
    asked_by_name = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    stopped_by = models.CharField(max_length=150, blank=True)  # no more are begun; those that run go on to their end

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("moves:round", args=[self.pk])

    @property
    def is_active(self) -> bool:
        return self.job is not None and self.job.is_active

    @property
    def subject(self) -> Subject:
        """Of a selection. Whose rights decide who sees the job: those on the host that the first machine goes to, or is on."""
        first = self.parts.select_related("target", "origin").order_by(F("target").asc(nulls_last=True), "pk").first()
        host = (first.target or first.origin) if first else None
        count = self.parts.count()
        name = first.name if first and count == 1 else f"{count} machines"
        return Subject("moves", self.pk, name, host.pk if host else 0, host.name if host else "")


class State(models.TextChoices):
    WAITS = "waits", "Waits"
    DOING = "doing", "Under way"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Not begun"
    LEFT = "left", "Stays"


OPEN = (State.WAITS, State.DOING)


class Part(models.Model):
    """One machine of a round. `deed` is one of machines.moves.planning.Deed, or "start"; `at` counts the steps of it that are done."""

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="parts")
    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="moves")
    name = models.CharField(max_length=255)
    deed = models.CharField(max_length=12)
    origin = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    copies = models.JSONField(default=dict)  # {"vda": "default"}: local disks and the target's pool
    ran = models.BooleanField(default=False)
    at = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITS)
    words = models.TextField(blank=True)  # why it stays, or why it failed
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")  # the last one asked for

    class Meta:
        ordering: ClassVar = ["name", "pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["round", "machine"], name="one_part_a_machine")]

    def __str__(self) -> str:
        return self.name
