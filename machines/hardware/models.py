"""What the hardware pages need beside a machine's stored definition. Written by the watcher alone."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from machines.models import Machine


class LiveDefinition(models.Model):
    """The definition of a running machine, kept only while it says something else than the stored one, which then waits for its next boot.

    A fleet of ten thousand has a row for the few that somebody changed, not for all that run.
    """

    machine = models.OneToOneField(Machine, on_delete=models.CASCADE, related_name="live_definition")
    at = models.DateTimeField(default=timezone.now)
    xml = models.TextField()
    pending = models.PositiveIntegerField(default=0)  # how many differences (virt.xml.edit.pending)

    def __str__(self) -> str:
        return f"running definition of machine {self.machine_id}"


class GuestReport(models.Model):
    """What the agent of a running guest said of who is signed in and how full its file systems are.

    users        [{"name", "at": seconds since 1970}]
    filesystems  [{"mount", "kind", "total_bytes", "used_bytes", "disks": ["vda"]}]
    """

    machine = models.OneToOneField(Machine, on_delete=models.CASCADE, related_name="guest_report")
    at = models.DateTimeField(default=timezone.now)
    users = models.JSONField(default=list)
    filesystems = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"report of the guest of machine {self.machine_id}"
