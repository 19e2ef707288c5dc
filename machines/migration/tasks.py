"""Celery's side: each task delegates in one line."""

from __future__ import annotations

from celery import shared_task

from machines.migration import tidy as tidying


@shared_task(name="machines.migration.tidy", time_limit=110)
def tidy() -> None:
    tidying.tidy()
