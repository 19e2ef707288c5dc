from __future__ import annotations

from django.apps import AppConfig


class HardwareConfig(AppConfig):
    name = "machines.hardware"
    label = "hardware"
