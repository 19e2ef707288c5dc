"""New machines on their way: what was ordered, and every artefact on the host that is not a machine's yet."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host
from jobs.submit import Subject

VARIABLES = "variables"
"""In place of a pool, for a file of UEFI variables: it lies in none."""


class Creation(models.Model):
    """One machine that is to be made on one host; the subject of its job, so that many are made on a host at once.

    The machine's row comes by the watcher, with this uuid. `made` is written before anything is made on the host:
    whoever cleans up after a dead worker asks the host for just these. It is empty again once the machine is whole.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="creations")
    uuid = models.CharField(max_length=36, unique=True)
    name = models.CharField(max_length=255)
    order = models.JSONField(default=dict)  # machines.creation.order.Order as a dict
    sealed = models.TextField(blank=True)  # what of the order may be secret: user-data, a password's hash, XML
    made = models.JSONField(default=list)  # [{"pool": uuid, "volume": name}], or {"pool": VARIABLES, "volume": path}
    done_at = models.DateTimeField(null=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["host", "uuid"], name="creation_machine")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("creation:creation", args=[self.pk])

    @property
    def subject(self) -> Subject:
        return Subject("creation", self.pk, self.name, self.host_id, self.host.name)

    def note(self, pool: str, volume: str) -> None:
        """Before the volume is made."""
        self._write([*self.made, {"pool": pool, "volume": volume}])

    def forget(self, pool: str, volume: str) -> None:
        """It is not there, or is no longer ours to remove."""
        self._write([item for item in self.made if item != {"pool": pool, "volume": volume}])

    def finish(self) -> None:
        """The machine is whole: its disks are its own."""
        self.made, self.done_at, self.sealed = [], timezone.now(), ""
        self.save(update_fields=["made", "done_at", "sealed"])

    def _write(self, made: list[dict[str, Any]]) -> None:
        self.made = made
        self.save(update_fields=["made"])
