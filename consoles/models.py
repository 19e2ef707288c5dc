"""Who is, and was, on which console; and invitations to one."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models import User
from machines.models import Machine


class Kind(models.TextChoices):
    VNC = "vnc", "VNC"
    SPICE = "spice", "SPICE"
    SERIAL = "serial", "Serial"


class ConsoleShare(models.Model):
    """An invitation to one machine's console, for a time. It gives at most what its maker may, as long as they may it."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="console_shares")
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the link's token, which is shown once
    made_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    invited = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")  # null: whoever is signed in and has the link
    view_only = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["machine", "until"], name="console_share")]

    def __str__(self) -> str:
        return f"share {self.pk} of machine {self.machine_id}"


class ConsoleSession(models.Model):
    """One console, opened by one person: a row from its first socket to its last (SPICE has several).

    Written by the bridge alone. A row that is open, but was not seen for `sessions.LOST`, is one whose bridge died.
    """

    key = models.CharField(max_length=32, unique=True)
    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="console_sessions")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    person = models.CharField(max_length=150)
    address = models.GenericIPAddressField(null=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    serial_port = models.PositiveSmallIntegerField(default=0)
    view_only = models.BooleanField(default=False)
    share = models.ForeignKey(ConsoleShare, null=True, on_delete=models.SET_NULL, related_name="sessions")
    bridge = models.CharField(max_length=128)
    opened_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)
    closed_why = models.CharField(max_length=200, blank=True)
    bytes_shown = models.BigIntegerField(default=0)
    bytes_typed = models.BigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["machine", "-id"], name="console_of_machine"),
            models.Index(fields=["seen_at"], name="console_open", condition=models.Q(closed_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.person} on machine {self.machine_id} by {self.kind}"
