"""People, what they may, their tokens, and the record of what was done."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.rights import Rights
from accounts.roles import Role, Scope


class User(AbstractUser):
    """A person. `is_superuser` makes an administrator, who may everything; all others live by their grants."""

    @cached_property
    def rights(self) -> Rights:
        """Read once for each request: a fresh User object is loaded for every one."""
        return Rights.of(self)

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    @property
    def initials(self) -> str:
        words = self.display_name.replace(".", " ").replace("-", " ").split()
        return ("".join(word[0] for word in words[:2]) or "?").upper()

    @property
    def is_administrator(self) -> bool:
        return self.is_active and self.is_superuser


class Grant(models.Model):
    """`user` has `role` on the object `object_id` of `scope` (0 for the fleet)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    role = models.PositiveSmallIntegerField(choices=Role.choices)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    object_id = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "scope", "object_id"], name="one_grant_per_object"),
            models.CheckConstraint(
                condition=models.Q(scope="fleet", object_id=0) | (~models.Q(scope="fleet") & models.Q(object_id__gt=0)),
                name="fleet_grants_have_no_object",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.get_role_display()} on {self.scope} {self.object_id}"

    @property
    def scope_words(self) -> str:
        return {Scope.FLEET: _("on the fleet"), Scope.HOST: _("on a host"), Scope.MACHINE: _("on a machine")}[Scope(self.scope)]


class Token(models.Model):
    """A bearer token of the API. Only its SHA-256 is kept: 256 random bits need no slow hash."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}… {self.name}"

    @property
    def is_over(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class SetupLink(models.Model):
    """The one-time link by which the first administrator is made."""

    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"set-up link of {self.created_at:%Y-%m-%d}"


class AuditEntry(models.Model):
    """Who, when, from where, what, result. Append-only; each entry's hash covers the one before."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor_id = models.BigIntegerField(null=True)
    actor = models.CharField(max_length=150)
    address = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=200)
    result = models.CharField(max_length=16)
    detail = models.JSONField(default=dict)
    previous = models.CharField(max_length=64, unique=True)
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.subject}: {self.result}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise TypeError("The audit log is append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("The audit log is append-only.")

    @property
    def told(self) -> list[tuple[str, str]]:
        """The detail in words: what is so by its name alone, what is not so left out."""
        pairs = []
        for name, value in self.detail.items():
            if value is not False:
                pairs.append((name, "" if value is True else ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
        return pairs
