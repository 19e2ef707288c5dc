"""Snapshots of machines as their hosts last showed them; and what only we know of them: pictures, and merges not done yet."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from machines.models import Machine


class Kind(models.TextChoices):
    INTERNAL = "internal", "Internal"  # inside the disks' qcow2 files
    EXTERNAL = "external", "External"  # the disks' files are frozen, and the machine goes on in new ones


class Snapshot(models.Model):
    """(machine, name) is the identity. Written by the watcher alone."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="snapshots")
    name = models.CharField(max_length=255)
    parent_name = models.CharField(max_length=255, blank=True)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=32, blank=True)  # of the machine then, in libvirt's words
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.INTERNAL)
    has_memory = models.BooleanField(default=False)
    current = models.BooleanField(default=False)  # the machine's present state came from it
    disks = models.JSONField(default=list)  # [{"target", "kind", "held", "overlay", "size"}]
    memory_file = models.CharField(max_length=1024, blank=True)
    memory_file_bytes = models.BigIntegerField(null=True)
    size_bytes = models.BigIntegerField(null=True)  # null: unknown, as of internal ones
    vcpus = models.PositiveIntegerField(default=0)
    memory_bytes = models.BigIntegerField(default=0)
    xml = models.TextField(blank=True)  # all that libvirt keeps, with the machine's definition then

    class Meta:
        ordering: ClassVar = ["created_at", "pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["machine", "name"], name="snapshot_identity")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_external(self) -> bool:
        return self.kind == Kind.EXTERNAL

    @property
    def held_disks(self) -> list[dict[str, Any]]:
        """The disks that it really holds."""
        return [disk for disk in self.disks if disk.get("kind") != "no"]


class Trunk(models.Model):
    """What a machine with snapshots has written since the last one. Written by the watcher alone."""

    machine = models.OneToOneField(Machine, on_delete=models.CASCADE, related_name="trunk")
    now_bytes = models.BigIntegerField(null=True)


class Picture(models.Model):
    """The screen at the moment of a snapshot that we took. Written by the job that took it."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="snapshot_pictures")
    name = models.CharField(max_length=255)
    taken_at = models.DateTimeField(default=timezone.now)
    image = models.BinaryField()  # PNG

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["machine", "name"], name="snapshot_picture")]


class Unmerged(models.Model):
    """A file of a deleted snapshot into which what lies above it is still to be merged. Written by jobs: it outlives one that is cancelled or dies."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="unmerged")
    target = models.CharField(max_length=32)
    file = models.CharField(max_length=1024)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["machine", "target", "file"], name="unmerged_file")]
