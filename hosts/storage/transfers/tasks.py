"""Celery's side: each task delegates in one line."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from hosts.storage.transfers import tidy as tidying


@shared_task(name="hosts.storage.transfers.tidy", time_limit=110)
def tidy() -> None:
    tidying.tidy()


@shared_task(name="hosts.storage.transfers.send")
def send(**wanted: Any) -> None:
    from hosts.storage.transfers import sending  # not in the web process, which sends this message: it loads libvirt

    sending.send(sending.Wanted(**wanted))
