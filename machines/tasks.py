"""Celery's side: each task delegates in one line."""

from __future__ import annotations

from celery import shared_task

from machines import camera
from machines import tidy as tidying


@shared_task(name="machines.screen")
def screen(machine_id: int) -> None:
    camera.take(machine_id)


@shared_task(name="machines.tidy", time_limit=800)
def tidy() -> None:
    tidying.tidy()
