from __future__ import annotations

from django.apps import AppConfig


class CreationConfig(AppConfig):
    name = "machines.creation"
    label = "creation"
