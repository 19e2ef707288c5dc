"""What the watcher last found of a host's readiness."""

from __future__ import annotations

from django.db import models

from hosts.models import Host


class HostReadiness(models.Model):
    """`host.readiness`, missing until it was looked at once.

    facts     virt.facts.HostFacts as a dict
    states    name of a check → "fine", "warning", "missing" or "unknown" (hosts/readiness/checks.py)
    read_at   the last look, changed or not
    """

    host = models.OneToOneField(Host, on_delete=models.CASCADE, related_name="readiness")
    facts = models.JSONField(default=dict)
    states = models.JSONField(default=dict)
    warnings = models.PositiveSmallIntegerField(default=0)
    missing = models.PositiveSmallIntegerField(default=0)
    read_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"readiness of {self.host_id}"

    @property
    def to_fix(self) -> int:
        return self.warnings + self.missing
