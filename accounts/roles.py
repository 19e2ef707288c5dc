"""Roles and scopes: what a grant says, without saying what it is about."""

from __future__ import annotations

from django.db import models


class Role(models.IntegerChoices):
    """Each role may do all that the smaller ones may."""

    VIEWER = 10, "Viewer"
    CONSOLE = 20, "Console"
    OPERATOR = 30, "Operator"
    MANAGER = 40, "Manager"


class Scope(models.TextChoices):
    FLEET = "fleet", "The whole fleet"
    HOST = "host", "A host and its machines"
    MACHINE = "machine", "A machine"
