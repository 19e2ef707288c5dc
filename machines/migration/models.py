"""How hosts reach each other, and what a move has made on its target so far."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from hosts.models import Host
from jobs.models import Job


class Way(models.Model):
    """How other hosts reach a host, where it is not by the address that the portal uses. "" as the default (machines/migration/ways.py)."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, related_name="way")
    libvirt_uri = models.CharField(max_length=300, blank=True)  # "qemu+tls://kvm-2.example.org/system"
    data_uri = models.CharField(max_length=300, blank=True)  # "tcp://10.0.0.2": a network of its own for memory and disks

    def __str__(self) -> str:
        return f"way to {self.host_id}"


class Move(models.Model):
    """One move, from its first step until nothing of it is left to be done. Written by its jobs.

    `made` is written before a volume is made on the target: whoever cleans up after a dead worker asks the target for just
    these. Empty once the machine is there, or once they are removed.
    """

    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="move")
    uuid = models.CharField(max_length=36)
    source = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="moves_out")
    target = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="moves_in")
    made = models.JSONField(default=list)  # [{"pool": uuid, "volume": name}]
    kept = models.JSONField(default=dict)  # what the hosts will not be able to tell any more: "autostart", "snapshots" …
    limits = models.JSONField(default=dict)  # changed while it runs: "bandwidth_mib", "max_downtime_ms"
    began_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)  # nothing is left to clean
    broken_at = models.DateTimeField(null=True)  # half of the machine's memory is on each host since then (mending.py)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["target", "uuid"], name="move_machine")]

    def __str__(self) -> str:
        return f"move {self.pk} of {self.uuid}"

    def note(self, pool: str, volume: str) -> None:
        """Before the volume is made."""
        self._write([*self.made, {"pool": pool, "volume": volume}])

    def forget(self, pool: str, volume: str) -> None:
        """It is not there any more."""
        self._write([item for item in self.made if item != {"pool": pool, "volume": volume}])

    def keep(self, **facts: Any) -> None:
        self.kept = {**self.kept, **facts}
        self.save(update_fields=["kept"])

    def forget_kept(self, name: str) -> None:
        self.kept = {key: value for key, value in self.kept.items() if key != name}
        self.save(update_fields=["kept"])

    def finish(self) -> None:
        """What was made belongs to the machine, or is gone."""
        self.made, self.done_at, self.broken_at = [], timezone.now(), None
        self.save(update_fields=["made", "done_at", "broken_at"])

    def note_broken(self) -> None:
        if self.broken_at is None:
            self.broken_at = timezone.now()
            self.save(update_fields=["broken_at"])

    def _write(self, made: list[dict[str, Any]]) -> None:
        self.made = made
        self.save(update_fields=["made"])
