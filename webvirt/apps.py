from __future__ import annotations

from django.apps import AppConfig


class WebvirtConfig(AppConfig):
    name = "webvirt"
