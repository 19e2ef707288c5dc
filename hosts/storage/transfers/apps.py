"""Uploads, fetches and downloads of volumes."""

from __future__ import annotations

from django.apps import AppConfig


class TransfersConfig(AppConfig):
    name = "hosts.storage.transfers"
    label = "transfers"

    def ready(self) -> None:
        from jobs import kinds

        looks = ("pool",)
        kinds.declare(
            kinds.Kind("hosts.storage.transfers.upload", "Upload", "upload", quick=False, bulk=True, cancellable=True, stirs=looks),
            kinds.Kind("hosts.storage.transfers.fetch", "Fetch", "world", quick=False, bulk=True, cancellable=True, stirs=looks),
            kinds.Kind("hosts.storage.transfers.clean_up", "Remove what was left", "trash", stirs=looks),
        )
