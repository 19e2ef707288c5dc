"""Celery's side: each task delegates in one line."""

from __future__ import annotations

from celery import shared_task

from accounts import tidy as tidying


@shared_task(name="accounts.tidy", time_limit=120)
def tidy() -> None:
    tidying.tidy()
