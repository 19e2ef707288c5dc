"""Volumes on their way to a host: how far each has come, so that any process may die and it goes on."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts.storage.models import Place
from jobs.models import Job

_MOST_CHECKPOINTS = 64


class Made(models.TextChoices):
    """Whether the volume on the host is ours to remove. MAKING is written before it is made, THERE once it is."""

    NOT = "", "Not made"
    MAKING = "making", "Being made"
    THERE = "there", "There"


class Source(models.TextChoices):
    BROWSER = "browser", "Browser"
    URL = "url", "Web address"


class Incoming(models.Model):
    """One file that becomes a volume. Its place is the subject of its job.

    `written_bytes` are in the host's file: all of them were sent and acknowledged by the host. `checkpoints` hold the digest of
    what was sent up to there: who goes on after a death reads back what the host has, and finds the last point that holds.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    place = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="incoming")
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="incoming")
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.BROWSER)
    url = models.CharField(max_length=2000, blank=True)
    file_name = models.CharField(max_length=255, blank=True)  # as it is called where it comes from
    file_modified_ms = models.BigIntegerField(default=0)  # with name and size: is it the same file that the person chose again?
    size_bytes = models.BigIntegerField(default=0)  # 0: not known yet
    written_bytes = models.BigIntegerField(default=0)
    checkpoints = models.JSONField(default=list)  # [[offset, sha256 of all before it], …], the last few
    is_clean = models.BooleanField(default=True)  # behind `written_bytes` the volume is empty: zeros need not be written
    version = models.CharField(max_length=500, blank=True)  # what the other server calls this state of the file (ETag)
    wanted_digest = models.CharField(max_length=140, blank=True)  # "sha256:…", "sha512:…"; "": nobody told
    digest = models.CharField(max_length=64, blank=True)  # sha256 of what arrived
    made = models.CharField(max_length=8, choices=Made.choices, default=Made.NOT, blank=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    touched_at = models.DateTimeField(default=timezone.now)  # something was written
    done_at = models.DateTimeField(null=True)  # whole: the volume is nobody's to remove any more
    ended_at = models.DateTimeField(null=True)  # done, or given up and removed

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["ended_at", "place"], name="incoming_unfinished")]

    def __str__(self) -> str:
        return self.place.name

    def get_absolute_url(self) -> str:
        return reverse("transfers:upload", args=[self.pk])

    @property
    def percent(self) -> float:
        return 100 * self.written_bytes / self.size_bytes if self.size_bytes else 0.0

    def note(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)
        self.save(update_fields=list(fields))

    def confirm(self, written_bytes: int, digest: str) -> None:
        """So much is on the host."""
        checkpoints = [*self.checkpoints, [written_bytes, digest]][-_MOST_CHECKPOINTS:]
        self.note(written_bytes=written_bytes, checkpoints=checkpoints, touched_at=timezone.now())

    def go_back(self, written_bytes: int) -> None:
        """Only so much of it is good."""
        self.note(written_bytes=written_bytes, checkpoints=[each for each in self.checkpoints if each[0] <= written_bytes])


def still_coming() -> models.Exists:
    """Of a Volume in a query: the host shows it already, and it is not whole yet. It is nobody's to choose."""
    mine = Incoming.objects.filter(ended_at=None, place__pool=models.OuterRef("pool"), place__name=models.OuterRef("name"))
    return models.Exists(mine.exclude(made=Made.NOT))
