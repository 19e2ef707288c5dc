"""Storage pools and their volumes as hosts last showed them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host
from jobs.submit import Subject


class State(models.TextChoices):
    """The values are those of virt.pool.PoolSeen.state."""

    RUNNING = "running", "Running"
    OFF = "off", "Off"
    BUILDING = "building", "Being built"
    DEGRADED = "degraded", "Degraded"
    INACCESSIBLE = "inaccessible", "Not accessible"


class Pool(models.Model):
    """(host, uuid) is the identity. Written by the watcher alone.

    While its host does not answer, or the pool is off, the row and those of its volumes stay as last seen; when the host
    says that it is gone, `gone_at` is set, its volumes' rows go, and its own is kept for a month for the jobs that name it.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="storage_pools")
    uuid = models.CharField(max_length=36)
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=16)  # "dir", "logical", "netfs" …
    state = models.CharField(max_length=12, choices=State.choices, default=State.OFF)
    autostart = models.BooleanField(default=False)
    persistent = models.BooleanField(default=True)
    capacity_bytes = models.BigIntegerField(default=0)
    allocation_bytes = models.BigIntegerField(default=0)
    available_bytes = models.BigIntegerField(default=0)
    promised_bytes = models.BigIntegerField(default=0)  # what its volumes may grow to
    volume_count = models.PositiveIntegerField(default=0)
    path = models.CharField(max_length=1000, blank=True)
    source = models.CharField(max_length=1000, blank=True)  # in one line; "" for a directory of the host's own
    xml = models.TextField(blank=True)  # what is defined, without figures
    pending = models.BooleanField(default=False)  # it runs as something else than what is defined
    first_seen_at = models.DateTimeField(default=timezone.now)
    gone_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["name", "pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["host", "uuid"], name="pool_identity")]
        indexes: ClassVar = [models.Index(fields=["gone_at", "host", "name"], name="pool_fleet")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("storage:pool", args=[self.pk])

    @property
    def is_active(self) -> bool:
        return self.state in (State.RUNNING, State.DEGRADED)

    @property
    def is_stale(self) -> bool:
        return self.host.is_stale

    @property
    def used_bytes(self) -> int:
        return max(0, self.capacity_bytes - self.available_bytes)

    @property
    def topics(self) -> list[str]:
        return [f"pool:{self.pk}", "storage", f"host:{self.host_id}"]

    @property
    def subject(self) -> Subject:
        return Subject("pool", self.pk, self.name, self.host_id, self.host.name)


class Volume(models.Model):
    """A volume; (pool, name) is the identity. `format` is what libvirt found in it: a machine is always told its format explicitly."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="volumes")
    name = models.CharField(max_length=255)
    key = models.CharField(max_length=1000, blank=True)
    path = models.CharField(max_length=1000, blank=True)
    kind = models.CharField(max_length=8, default="file")  # "file", "block", "dir", "network"
    format = models.CharField(max_length=32, blank=True)
    capacity_bytes = models.BigIntegerField(default=0)
    allocation_bytes = models.BigIntegerField(default=0)
    backing_path = models.CharField(max_length=1000, blank=True)
    backing_format = models.CharField(max_length=32, blank=True)
    encrypted = models.BooleanField(default=False)
    first_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["name", "pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["pool", "name"], name="volume_identity")]
        indexes: ClassVar = [
            models.Index(fields=["pool", "capacity_bytes"], name="volume_capacity"),
            models.Index(fields=["pool", "allocation_bytes"], name="volume_allocation"),
            models.Index(fields=["format", "name"], name="volume_format"),
            models.Index(fields=["backing_path"], name="volume_backing", condition=~models.Q(backing_path="")),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("storage:volume", args=[self.pool_id, self.name])

    @property
    def is_iso(self) -> bool:
        return self.format == "iso" or self.name.lower().endswith(".iso")


class Place(models.Model):
    """A name in a pool that jobs are about, whether its volume is there already, is being made, or is gone.

    It is the subject of every job about one volume: so two makings of the same name exclude each other, and a making
    and a deletion, by the same constraint as everywhere; and volumes of one pool are worked on side by side.
    """

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="places")
    name = models.CharField(max_length=255)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["pool", "name"], name="place_identity")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("storage:volume", args=[self.pool_id, self.name])

    @property
    def subject(self) -> Subject:
        return Subject("volume", self.pk, self.name, self.pool.host_id, self.pool.host.name)
