from __future__ import annotations

from django.apps import AppConfig


class WatcherConfig(AppConfig):
    name = "watcher"
